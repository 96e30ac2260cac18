"""The runs of a project and the status of each, from its state file and its recipe's lock.

A run whose state says "running" is running only while its own process holds the lock. A free lock means that
the run was interrupted, whatever its recorded pid, time and boot say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import BusyError, MissingError, Problem
from orchestrator.execute.host.atomic_files import read_regular
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store import run_folder, run_lock
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_paths import delete_run, recipes_of
from orchestrator.hubs.recipe import LINK, REWARD_LINK
from orchestrator.results import Status

SIGNALLED = 128  # higher exit codes are 128 + the signal that ended the run


class Standing(StrEnum):
    """The status of a run."""

    NEW = "new"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"
    FAILED = "failed"
    REFUTED = "refuted"
    DONE = "done"


# The same command continues a run with one of these.
UNFINISHED = frozenset({Standing.INTERRUPTED, Standing.STOPPED, Standing.FAILED})


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, in a line.

    Attributes:
        run: RECIPE/ID.
        stage: the current one, or the one that ended the run; the last one of a completed run.
        stages: number of completed stages.
        began, ended: ISO 8601, UTC, of the last attempt; "" if unknown.
        exit_code: None while it runs or if it was interrupted.
        reason: why it ended, in one line.
        headline: base model and hardware.
        leftovers: pids of its processes that still live although no process works on the run.
    """

    run: str
    recipe: str
    standing: Standing
    stage: str = ""
    stages: int = 0
    began: str = ""
    ended: str = ""
    exit_code: int | None = None
    reason: str = ""
    headline: str = ""
    leftovers: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def standing_of(found: Mapping[str, Any], *, worked_on: bool) -> Standing:
    """The status of a run, from its state.json and whether its own process holds the lock.

    >>> str(standing_of({"status": "running"}, worked_on=False))
    'interrupted'
    >>> str(standing_of({"status": "ended", "exit_code": 5}, worked_on=False))
    'refuted'
    """
    status, code = found.get("status"), found.get("exit_code")
    if status == "running":
        return Standing.RUNNING if worked_on else Standing.INTERRUPTED
    if status == "done":
        return Standing.DONE
    if status == "ended" and isinstance(code, int):
        if code > SIGNALLED:
            return Standing.STOPPED
        return Standing.REFUTED if code == 5 else Standing.FAILED  # noqa: PLR2004  errors.py
    return Standing.NEW


def summaries(project: Path, recipe: str = "") -> list[RunSummary]:
    """Every run of a project, or of one recipe; the oldest of each recipe first."""
    names = [recipe] if recipe else recipes_of(project)
    return [one for name in names for one in _of_recipe(project, name)]


def latest(project: Path) -> list[Run]:
    """The last run of each recipe that has one."""
    found = (Run.last(project, name) for name in recipes_of(project))
    return [run for run in found if run is not None]


def summary_of(run: Run, *, look_around: bool = False) -> RunSummary:
    """One run.

    Args:
        run: its folder.
        look_around: also search for leftover processes of an ended run, which reads all of /proc.
    """
    summary = _summary(run, _active(run.project, run.recipe))
    if not look_around or summary.standing is Standing.RUNNING:
        return summary
    prefix = process_tree.run_prefix(run.project, run.path)
    left = tuple(one.pid for one in process_tree.scan(prefix) if not _owner_lives(one))
    return replace(summary, leftovers=left)


def remove_run(run: Run) -> None:
    """Delete a run's folder, but not the targets of links in it.

    Raises:
        BusyError: a process works on it, or one of its processes lives.
        MissingError: it cannot be deleted.
    """
    with run_lock.hold(run.project, run.recipe):
        living = [one.pid for one in process_tree.scan(process_tree.run_prefix(run.project, run.path))]
        if living:
            what = f"{run.name} has living processes: {', '.join(map(str, living))}"
            raise BusyError(Problem(what, str(run.path), f"conch stop {run.name}"))
        try:
            delete_run(run.project, run.recipe, run.id)
        except OSError as error:
            what = f"cannot be removed: {error.strerror}"
            raise MissingError(Problem(what, str(run.path), "check the owner of the folder")) from None


def built_on(run: Run) -> list[str]:
    """The runs of other recipes whose base model, or reward model, is this run's export."""
    runs = run.project / "runs"
    links = [link for name in (LINK, REWARD_LINK) for link in runs.glob(f"*/*/{name}")]
    export = run.path / "export"
    return sorted("/".join(link.parts[-3:-1]) for link in links if link.readlink() == export)


def size_of(run: Run) -> int:
    """Size of a run's own files in bytes, without the targets of links."""
    return sum(
        path.stat().st_size for path in run.path.rglob("*") if path.is_file() and not path.is_symlink()
    )


def _of_recipe(project: Path, recipe: str) -> Sequence[RunSummary]:
    runs = Run.all(project, recipe)
    active = _active(project, recipe) if runs else None
    return [_summary(run, active) for run in runs]


def _active(project: Path, recipe: str) -> tuple[int, int] | None:
    """(pid, start ticks) of the process that works on a recipe's runs; None if there is none."""
    who = run_lock.holder(project, recipe)
    return (who["pid"], who["ticks"] or 0) if who else None


def _summary(run: Run, active: tuple[int, int] | None) -> RunSummary:
    found = read_state(run)
    mine = active is not None and active == (found.get("pid"), found.get("ticks"))
    standing = standing_of(found, worked_on=mine)
    stages = found.get("stages", {})
    whole = {Status.DONE, Status.SKIPPED, Status.REFUTED}
    running = [name for name, one in stages.items() if one.get("status") == "running"]
    last = [*running, *([name for name in stages if name not in running])[-1:]]
    over = standing not in {Standing.RUNNING, Standing.INTERRUPTED}
    return RunSummary(
        run=run.name,
        recipe=run.recipe,
        standing=standing,
        stage=last[0] if last else "",
        stages=sum(one.get("status") in whole for one in stages.values()),
        began=str(found.get("since", "")),
        ended=str(found.get("until", "")) if over else "",
        exit_code=found.get("exit_code") if over else None,
        reason=str(found.get("reason", "")).partition("\n")[0] if over else "",
        headline=str(found.get("headline", "")),
    )


def read_state(run: Run) -> dict[str, Any]:
    """state.json; computed from the events if it is missing or cannot be read."""
    try:
        found = orjson.loads(read_regular(run.path / "state.json"))
    except (OSError, ValueError):
        found = run_folder.fold(run.events())
    stages = found.get("stages", {}) if isinstance(found, dict) else None
    readable = isinstance(stages, dict) and all(isinstance(one, dict) for one in stages.values())
    return found if readable else {}


def _owner_lives(member: process_tree.Member) -> bool:
    owner = process_tree.owner_of(member.run_tag)
    return owner is not None and process_tree.start_ticks(owner[0]) == owner[1]
