"""The record of a run: its folder, its events, and the state of each stage that follows from them.

    runs/RECIPE/ID/events.jsonl one event per line, append-only: the source of truth
    runs/RECIPE/ID/state.json   a fold over the events, for people and other programs

A line torn by a crash is ignored. run_lock.py says who may write.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import append_durable, read_regular, write_durable
from orchestrator.execute.run_store.run_lock import this_process
from orchestrator.execute.run_store.run_paths import ids_of, make_private, parts_of, runs_path
from orchestrator.results import StageResult, Status

SCHEMA = 1
_STAMP = "%Y%m%d-%H%M%S"


@dataclass(frozen=True, slots=True)
class StageRecord:
    """The last completed execution of a stage.

    Attributes:
        key: hash of everything the stage depended on.
        outputs: run-relative path → "sha256:…" when it completed.
        seconds: its duration.
    """

    stage: str
    key: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run's folder, runs/RECIPE/ID. Only the holder of the recipe's lock may write to it."""

    project: Path
    recipe: str
    id: str

    @property
    def path(self) -> Path:
        """The folder, in which every command of the run works."""
        return self.project / "runs" / self.recipe / self.id

    @property
    def name(self) -> str:
        """RECIPE/ID."""
        return f"{self.recipe}/{self.id}"

    @classmethod
    def create(cls, project: Path, recipe: str, *, now: datetime | None = None) -> Run:
        """Create an empty private run folder whose id sorts after all earlier ones."""
        moment = now or datetime.now(UTC)
        latest = cls.last(project, recipe)
        if latest:
            earlier = datetime.strptime(latest.id[:15], _STAMP).replace(tzinfo=UTC)
            moment = max(moment, earlier + timedelta(seconds=1))  # even if the clock was set back
        run = cls(project, recipe, f"{moment.strftime(_STAMP)}-{secrets.token_hex(2)}")
        make_private(project, recipe, run.id)
        return run

    @classmethod
    def open(cls, project: Path, name: str) -> Run:
        """The run RECIPE/ID, or the last one of RECIPE; UsageError if there is none, or if it is a link."""
        recipe, number = parts_of(name)
        run = cls(project, recipe, number) if number else cls.last(project, recipe)
        if run is None or not runs_path(project, recipe, run.id).is_dir():
            raise UsageError(Problem(f"there is no run {name}", str(project / "runs"), "conch ls"))
        return run

    @classmethod
    def last(cls, project: Path, recipe: str) -> Run | None:
        """The newest run of a recipe."""
        found = cls.all(project, recipe)
        return found[-1] if found else None

    @classmethod
    def all(cls, project: Path, recipe: str) -> list[Run]:
        """Every run of a recipe, oldest first; UsageError if that cannot name one."""
        return [cls(project, recipe, name) for name in ids_of(project, recipe)]

    def append_event(self, event: Mapping[str, Any], *, durable: bool = False) -> None:
        """Append one event with the current time; `durable` (fsync) at the start and end of stages."""
        stamped = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **event}
        line = json.dumps(stamped, ensure_ascii=False, default=str).encode()
        append_durable(self.path / "events.jsonl", line, sync=durable)

    def events(self) -> Iterator[dict[str, Any]]:
        """Every complete event, oldest first; MissingError if they are there and cannot be read."""
        path = self.path / "events.jsonl"
        try:
            content = read_regular(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise MissingError(Problem(f"cannot read it: {error.strerror}", str(path))) from None
        for line in content.split(b"\n"):
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event

    def begin(self, headline: str, **facts: str) -> None:
        """Record the start of work on this run and its process; remove what a killed write left."""
        for torn in self.path.glob(".*.tmp"):
            torn.unlink(missing_ok=True)
        self.append_event({"event": "begun", "headline": headline, **this_process(), **facts}, durable=True)
        self.write_state()

    def begin_stage(self, stage: str, key: str, *, offline: str = "") -> None:
        """Record that a stage is about to start: its cache key, and how its commands leave the network."""
        event = {"event": "stage_begun", "stage": stage, "key": key, "offline": offline}
        self.append_event(event, durable=True)
        self.write_state()

    def end_stage(self, run: StageResult, key: str) -> None:
        """Record the result of a stage; written last, when its outputs have their final names."""
        self.append_event({"event": "stage_ended", "key": key, **asdict(run)}, durable=True)
        self.write_state()

    def end(self, exit_code: int, reason: str = "") -> None:
        """Record the orderly end of work on this run, successful or not."""
        self.append_event({"event": "ended", "exit_code": exit_code, "reason": reason}, durable=True)
        self.write_state()

    def stage_record(self, stage: str) -> StageRecord | None:
        """The last completed execution of a stage; None if there is none."""
        for event in reversed(list(self.events())):
            mine = event.get("event") == "stage_ended" and event.get("stage") == stage
            if mine and event.get("status") == Status.DONE:
                return StageRecord(stage, event["key"], event["outputs"], event["seconds"])
        return None

    def runs(self) -> list[StageResult]:
        """The last result of each stage, in the order of their first result."""
        latest: dict[str, StageResult] = {}
        for event in self.events():
            if event.get("event") == "stage_ended":
                values = {name: event[name] for name in StageResult.__dataclass_fields__ if name in event}
                latest[event["stage"]] = StageResult(**{**values, "status": Status(event["status"])})
        return list(latest.values())

    def write_state(self) -> None:
        """Write state.json from the events."""
        state = json.dumps(fold(self.events()), ensure_ascii=False, indent=1, default=str)
        write_durable(self.path / "state.json", state + "\n", mode=0o600)


def fold(events: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """The content of state.json. A run that is "running" here but whose lock is free was interrupted."""
    state: dict[str, Any] = {"schema": SCHEMA, "status": "new", "stages": {}}
    for event in events:
        kind, rest = event.get("event"), {name: event[name] for name in event if name not in {"event", "at"}}
        if kind == "begun":
            state |= {"status": "running", "since": event.get("at"), **rest}
        elif kind == "stage_begun":
            state["stages"][rest["stage"]] = {"status": "running", "since": event.get("at")}
        elif kind == "stage_ended":
            state["stages"][rest.pop("stage")] = rest
        elif kind == "ended":
            state |= {
                "status": "done" if event.get("exit_code") == 0 else "ended",
                "until": event.get("at"),
                **rest,
            }
    return state
