"""Stopping a whole project: first the orchestrators, which clear up after themselves, then what is left."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from orchestrator.dialects.symptoms import visible
from orchestrator.execute import state, tree


@dataclass(frozen=True, slots=True)
class Stopped:
    """A process that was asked to end."""

    pid: int
    command: str


def stop_project(project: Path, *, grace: float = 15.0) -> list[Stopped]:
    """Stop every orchestrator of a project and every process that carries one of its cookies.

    Args:
        project: the folder that holds recipes/.
        grace: seconds an orchestrator gets to stop its own tree, and then the rest gets after TERM.

    Returns:
        what was running, oldest first; nothing is no error, and neither is a second `stop` meanwhile.
    """
    prefix = tree.project_prefix(project)
    members = tree.family(tree.scan(prefix))
    owners = _owners(project, members)
    stopped = [Stopped(one.pid, command_line(one.pid)) for one in [*owners, *members]]
    for owner in owners:
        tree.send(owner, signal.SIGTERM)
    _wait(owners, grace)
    tree.stop_cookie(prefix, grace=grace)
    for owner in _wait(owners, grace):  # with its children gone it had nothing left to wait for
        tree.send(owner, signal.SIGKILL)
    return stopped


def _wait(members: list[tree.Member], seconds: float) -> list[tree.Member]:
    deadline = time.monotonic() + seconds
    while (left := tree.alive(members)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def sweep_leftovers(project: Path, folder: Path, *, grace: float = 5.0) -> list[Stopped]:
    """Stop what a killed orchestrator left behind for one run folder; a living one's children stay."""
    prefix = tree.run_prefix(project, folder)
    orphans = [one for one in tree.scan(prefix) if not _is_alive(tree.owner_of(one.cookie))]
    stopped = [Stopped(one.pid, command_line(one.pid)) for one in orphans]
    for cookie in {one.cookie for one in orphans}:
        tree.stop_cookie(cookie, grace=grace)
    return stopped


def _is_alive(owner: tuple[int, int] | None) -> bool:
    return owner is not None and tree.start_ticks(owner[0]) == owner[1]


def _owners(project: Path, members: list[tree.Member]) -> list[tree.Member]:
    """The living orchestrators: those the cookies name, and those that hold a recipe's lock."""
    named = {owner for one in members if (owner := tree.owner_of(one.cookie))}
    runs = project / "runs"
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        if folder.is_dir() and state.is_held(project, folder.name):
            who = state.holder(project, folder.name)
            if who.get("host") == socket.gethostname():
                named.add((int(who.get("pid", 0)), int(who.get("ticks", 0))))
    carried = {one.pid for one in members}
    return [
        tree.Member(pid, ticks, "")
        for pid, ticks in sorted(named)
        if pid not in carried | {0, os.getpid()} and ticks and tree.start_ticks(pid) == ticks
    ]


def command_line(pid: int) -> str:
    """The argv of a process as one printable line; "" when it is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return visible(" ".join(word.decode("utf-8", "replace") for word in words if word))[:160]
