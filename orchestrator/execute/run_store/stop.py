"""Stopping a project or a run: first its orchestrators, which clean up themselves, then the rest."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store import run_lock
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_paths import recipes_of
from orchestrator.execute.run_store.server_record import supervisor
from orchestrator.outside import Outside


@dataclass(frozen=True, slots=True)
class Stopped:
    """A process that was asked to end."""

    pid: int
    command: str


def stop_project(project: Path, *, run: Run | None = None, grace: float = 15.0) -> list[Stopped]:
    """Stop every orchestrator of a project, or of one run, and every process that carries its run tag.

    Args:
        project: the folder that holds recipes/.
        run: stop only what belongs to this run.
        grace: seconds for an orchestrator to stop its own tree, and then for the rest after TERM. A
            training saves a checkpoint in that time.

    Returns:
        what was running, oldest first; may be empty. Concurrent calls are safe.
    """
    prefix = process_tree.run_prefix(project, run.path) if run else process_tree.project_prefix(project)
    members = process_tree.family(process_tree.scan(prefix))
    owners = _owners(members, _holders(project, run))
    stopped = [Stopped(one.pid, command_line(one.pid)) for one in [*owners, *members]]
    for owner in owners:
        process_tree.send(owner, signal.SIGTERM)
    _wait(owners, grace)
    process_tree.stop_tagged(prefix, grace=grace)
    for owner in _wait(owners, grace):  # its children are gone, so it has nothing left to wait for
        process_tree.send(owner, signal.SIGKILL)
    return stopped


def _wait(members: list[process_tree.Member], seconds: float) -> list[process_tree.Member]:
    deadline = time.monotonic() + seconds
    while (left := process_tree.alive(members)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def sweep_leftovers(project: Path, folder: Path, *, grace: float = 5.0) -> list[Stopped]:
    """Stop what a killed orchestrator left running for one run; a living one's children are kept."""
    prefix = process_tree.run_prefix(project, folder)
    orphans = [one for one in process_tree.scan(prefix) if not _is_alive(process_tree.owner_of(one.run_tag))]
    stopped = [Stopped(one.pid, command_line(one.pid)) for one in orphans]
    for run_tag in {one.run_tag for one in orphans}:
        process_tree.stop_tagged(run_tag, grace=grace)
    return stopped


def _is_alive(owner: tuple[int, int] | None) -> bool:
    return owner is not None and process_tree.start_ticks(owner[0]) == owner[1]


def _holders(project: Path, run: Run | None) -> set[tuple[int, int]]:
    """(pid, ticks) of the processes that hold the lock of the recipe, or of a server, of these runs."""
    found: list[run_lock.Holder | None] = []
    for recipe in recipes_of(project):
        runs = Run.all(project, recipe)
        found += [supervisor(one) for one in runs if run is None or one == run]
        if run is None or runs[-1:] == [run]:
            found.append(run_lock.holder(project, recipe))
    here = socket.gethostname()
    return {(who["pid"], who["ticks"] or 0) for who in found if who and who["host"] == here}


def _owners(members: list[process_tree.Member], holders: set[tuple[int, int]]) -> list[process_tree.Member]:
    """The living orchestrators: those that run tags name, and those that hold a lock."""
    named = holders | {owner for one in members if (owner := process_tree.owner_of(one.run_tag))}
    carried = {one.pid for one in members}
    return [
        process_tree.Member(pid, ticks, "")
        for pid, ticks in sorted(named)
        if pid not in carried | {0, os.getpid()} and ticks and process_tree.start_ticks(pid) == ticks
    ]


def command_line(pid: int) -> str:
    """The argv of a process as one printable line; "" when it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return str(Outside(" ".join(word.decode("utf-8", "replace") for word in words if word), limit=160))
