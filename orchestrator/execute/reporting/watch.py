"""The state of a run at one moment, read from its folder and its processes. Changes nothing.

A Watcher is called repeatedly: it continues reading the trainer's log where it stopped, and queries the GPU
only every few seconds. Not covered: the remaining time of stages other than training, unless an earlier run
of the recipe shows it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from orchestrator.backends.trainer_log import TrainStep, read_printed, seconds_left
from orchestrator.errors import MissingError
from orchestrator.evaluation.trainer_metrics import HELD_OUT, KNOWN
from orchestrator.execute.host import gpu, machine
from orchestrator.execute.host.redact import redact
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store.listing import Standing, read_state, summary_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_logs import last_lines, last_state, logs_of
from orchestrator.execute.run_store.training_log import Course
from orchestrator.plan.stage import partial
from orchestrator.results import Status

TRAIN = "train"
_TRAIN_LOG = "logs/train.log"
WAITING, RUNNING = "waiting", "running"
LOG_LINES = 40
# Maximum number of points in a training curve, each the mean of its share of the steps.
POINTS = 160
_MEMORY_SECONDS, _GPU_SECONDS, _GPU_LIMIT = 2.0, 5.0, 3.0
_EARLIER_RUNS = 5


@dataclass(frozen=True, slots=True)
class WatchedStage:
    """A stage: waiting, running, or how it ended (results.Status), and its seconds so far or in total."""

    name: str
    status: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a run.

    Attributes:
        at: ISO 8601, UTC.
        standing: as in listing.Standing. exit_code, reason: as in listing.RunSummary.
        seconds: since work on the run began, up to now or to its end.
        losses, validations: the two curves, at most POINTS values each; newest last.
        step: the latest line of the trainer's log with a loss or a learning rate; None before the first.
        metrics: the latest of what is measured beside the loss, by the trainer's names; metric_courses: the
            course of those that are in the trainer's log.
        validation, lowest_validation: the latest and the lowest loss on held-out rows; None without any.
        left: remaining seconds of training. whole_left: of the whole run, from earlier runs. None if unknown.
        memory_gb, memory_total_gb: used by all processes of the run, and the limit of this machine.
        gpus: as nvidia-smi reports them. gpu_mib: held by the run's processes, 0 if unknown.
        log, lines: the most recently written log, and its last lines; control characters are not removed.
    """

    run: str
    headline: str
    standing: str
    at: str = ""
    exit_code: int | None = None
    reason: str = ""
    seconds: float = 0.0
    stages: tuple[WatchedStage, ...] = ()
    step: TrainStep | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    metric_courses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    validation: float | None = None
    lowest_validation: float | None = None
    losses: tuple[float, ...] = ()
    validations: tuple[float, ...] = ()
    left: float | None = None
    whole_left: float | None = None
    memory_gb: float = 0.0
    memory_total_gb: float = 0.0
    processes: int = 0
    gpus: tuple[gpu.Load, ...] = ()
    gpu_mib: int = 0
    log: str = ""
    lines: tuple[str, ...] = ()

    @property
    def over(self) -> bool:
        """Whether no process works on the run."""
        return self.standing != Standing.RUNNING

    @property
    def current(self) -> WatchedStage | None:
        """The running stage; None if there is none."""
        return next((stage for stage in self.stages if stage.status == RUNNING), None)

    def to_json(self) -> dict[str, Any]:
        """JSON-able, without the log lines and the curves (see the trainer's log); NaN, infinity are null."""
        left_out = {"losses", "validations", "metric_courses", "lines"}
        found: dict[str, Any] = _finite({k: v for k, v in asdict(self).items() if k not in left_out})
        return found


@dataclass(slots=True)
class Watcher:
    """Observes one run."""

    run: Run
    _course: Course = field(default_factory=Course)
    _usual: dict[str, float] | None = None
    _memory: tuple[float, int] = (0.0, 0)
    _gpus: tuple[gpu.Load, ...] = ()
    _gpu_mib: int = 0
    _memory_at: float = -math.inf
    _gpu_at: float = -math.inf

    def look(self) -> Snapshot:
        """The run as it is now."""
        told, found, now = summary_of(self.run), read_state(self.run), datetime.now(UTC)
        running = told.standing is Standing.RUNNING
        stages = tuple(_stages(found, now, running=running))
        self._read_course()
        if running:
            self._measure()
        training = running and any(one.name == TRAIN and one.status == RUNNING for one in stages)
        left = self._left(now) if training else None
        log, lines = _log(self.run)
        held_out = [loss for _, loss in self._course.validations]
        courses = {name: [value for _, value in points] for name, points in self._course.metrics.items()}
        return Snapshot(
            run=told.run,
            headline=told.headline,
            standing=str(told.standing),
            at=now.isoformat(timespec="seconds"),
            exit_code=told.exit_code,
            reason=told.reason,
            seconds=_between(told.began, told.ended, now),
            stages=stages,
            step=self._course.newest,
            metrics={
                **_printed(self.run),
                **{name: values[-1] for name, values in courses.items() if values},
            },
            metric_courses={name: thinned(values, POINTS) for name, values in courses.items()},
            validation=held_out[-1] if held_out else None,
            lowest_validation=min(filter(math.isfinite, held_out), default=None),
            losses=thinned([loss for _, loss in self._course.losses], POINTS),
            validations=thinned(held_out, POINTS),
            left=left,
            whole_left=self._whole_left(stages, left) if running else None,
            memory_gb=self._memory[0] if running else 0.0,
            memory_total_gb=machine.memory_gb(),
            processes=self._memory[1] if running else 0,
            gpus=self._gpus if running else (),
            gpu_mib=self._gpu_mib if running else 0,
            log=log,
            lines=lines,
        )

    def _read_course(self) -> None:
        for folder in (partial("adapter"), "adapter"):
            path = self.run.path / folder / "trainer_log.jsonl"
            if path.is_file():
                self._course.read(path)
                return

    def _left(self, now: datetime) -> float | None:
        """Remaining seconds of training: the estimate of the last log line, minus the age of that line."""
        if self._course.newest is None:
            return None
        resumed = 0
        for event in self.run.events():
            if event.get("event") in {"begun", "resumed"}:
                resumed = int(event.get("step", 0))
        left = seconds_left(self._course.newest, resumed)
        age = max(0.0, now.timestamp() - self._course.written)
        return None if left is None else max(0.0, left - age)

    def _whole_left(self, stages: Sequence[WatchedStage], training: float | None) -> float | None:
        """Remaining seconds of the run, if earlier runs show how long each remaining stage takes."""
        if self._usual is None:
            self._usual = _usual(self.run)
        total = 0.0
        for stage in stages:
            if stage.name == TRAIN and training is not None:
                total += training
            elif stage.status in {WAITING, RUNNING}:
                if stage.name not in self._usual:
                    return None
                total += max(0.0, self._usual[stage.name] - stage.seconds)
        return total

    def _measure(self) -> None:
        now = time.monotonic()
        if now - self._memory_at < _MEMORY_SECONDS:
            return
        self._memory_at = now
        pids = [
            one.pid
            for one in process_tree.family(
                process_tree.scan(process_tree.run_prefix(self.run.project, self.run.path))
            )
        ]
        self._memory = (process_tree.memory_bytes(pids) / 1e9, len(pids))
        if machine.hardware() != "cuda" or now - self._gpu_at < _GPU_SECONDS:
            return
        self._gpu_at = now
        self._gpus = tuple(gpu.loads(_GPU_LIMIT))
        self._gpu_mib = sum(one.mib for one in gpu.still_held(pids)) if self._gpus else 0


def thinned(values: Sequence[float], points: int) -> tuple[float, ...]:
    """At most `points` values, each the mean of its share; NaN and infinity are left out.

    >>> thinned([4.0, 2.0, 1.0, 1.0, float("nan")], 2)
    (3.0, 1.0)
    """
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) <= points:
        return tuple(finite)
    edges = [number * len(finite) // points for number in range(points + 1)]
    shares = [finite[begin:end] for begin, end in pairwise(edges)]
    return tuple(sum(share) / len(share) for share in shares)


def _stages(state: Mapping[str, Any], now: datetime, *, running: bool) -> Iterator[WatchedStage]:
    """The planned stages of the current command, or of the last one, then other stages that ran before."""
    known, planned = state.get("stages", {}), str(state.get("plan", "")).split()
    for name in [*planned, *(name for name in known if name not in planned)]:
        one = known.get(name, {})
        status = str(one.get("status", WAITING))
        if status == RUNNING and not running:
            status = str(Status.INTERRUPTED)
        since = str(one.get("since", "")) if status == RUNNING else ""
        yield WatchedStage(name, status, _between(since, "", now) or float(one.get("seconds", 0.0)))


def _between(began: str, ended: str, now: datetime) -> float:
    if not began:
        return 0.0
    end = datetime.fromisoformat(ended) if ended else now
    return max(0.0, (end - datetime.fromisoformat(began)).total_seconds())


def _usual(run: Run) -> dict[str, float]:
    """Stage → seconds, from the newest earlier run that completed it."""
    found: dict[str, float] = {}
    earlier = [one for one in Run.all(run.project, run.recipe) if one.id < run.id]
    for one in earlier[-_EARLIER_RUNS:]:
        for name, stage in read_state(one).get("stages", {}).items():
            if stage.get("status") in {Status.DONE, Status.REFUTED} and stage.get("seconds"):
                found[name] = float(stage["seconds"])
    return found


def _log(run: Run) -> tuple[str, tuple[str, ...]]:
    try:
        log: Path = logs_of(run)[-1]
        lines = last_lines(log, LOG_LINES)
    except (MissingError, OSError):  # no log yet, or it was removed meanwhile
        return "", ()
    shown = (redact(last_state(line)) for line in lines)
    return log.stem, tuple(line for line in shown if line.strip())


def _printed(run: Run) -> dict[str, float]:
    """The known metrics among the numbers that the trainer printed last."""
    try:
        found = read_printed("\n".join(last_lines(run.path / _TRAIN_LOG, LOG_LINES)))
    except (MissingError, OSError):
        return {}
    return {key: value for key, value in found.items() if key.removeprefix(HELD_OUT) in KNOWN}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, (list, tuple)) else value
