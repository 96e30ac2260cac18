"""How a recipe's runs are locked: .lock in runs/RECIPE, for which those that write compete, and .holder.json.

Whether a run is worked on is what the lock on .holder.json says, never a pid: a holder that was killed holds
nothing. Looking at it never touches .lock, so that looking cannot make a start fail (host/file_lock.py).
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from orchestrator.errors import BusyError, Problem
from orchestrator.execute.host.file_lock import exclusive, live_record, read_live
from orchestrator.execute.processes import process_tree
from orchestrator.execute.run_store.run_paths import make_private, runs_path


class Holder(TypedDict):
    """A process that works on a run: its id and start, this boot of its machine, and since when it holds."""

    pid: int
    ticks: int | None
    boot: str
    host: str
    by: str


@contextmanager
def hold(project: Path, recipe: str) -> Iterator[None]:
    """Hold a recipe's runs, and say so to those that look.

    Raises:
        BusyError: another process holds them; names its pid, host and start.
        MissingError: the project's runs folder cannot be written.
    """
    record = _record(project, recipe)
    with hold_briefly(project, recipe), live_record(record, json.dumps(this_process())):
        yield


@contextmanager
def hold_briefly(project: Path, recipe: str) -> Iterator[None]:
    """Hold a recipe's runs without a record, for milliseconds: a start waits for it. Raises as `hold`."""
    lock = make_private(project, recipe) / ".lock"
    with exclusive(lock, lambda: _busy(project, recipe), is_held=lambda: is_held(project, recipe)):
        yield


def is_held(project: Path, recipe: str) -> bool:
    """Whether a process works on a recipe's runs now."""
    return holder(project, recipe) is not None


def holder(project: Path, recipe: str) -> Holder | None:
    """The process that works on a recipe's runs now; None if there is none."""
    return holder_in(read_live(_record(project, recipe)))


def holder_in(record: bytes | None) -> Holder | None:
    """The holder that a live record names; None if there is no record, or if it is damaged."""
    try:
        found = json.loads(record or b"null")
        pid, ticks = int(found["pid"]), int(found["ticks"] or 0)
        boot, host, by = str(found["boot"]), str(found["host"]), str(found["by"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return {"pid": pid, "ticks": ticks, "boot": boot, "host": host, "by": by} if pid > 0 else None


def _record(project: Path, recipe: str) -> Path:
    return runs_path(project, recipe) / ".holder.json"


def this_process() -> Holder:
    """This process as a holder, from now on."""
    pid = os.getpid()
    return {
        "pid": pid,
        "ticks": process_tree.start_ticks(pid),
        "boot": _boot(),
        "host": socket.gethostname(),
        "by": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _boot() -> str:
    """Identifies this boot of this machine; "" where the kernel does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _busy(project: Path, recipe: str) -> BusyError:
    who = holder(project, recipe)
    by = f"process {who['pid']} on {who['host']} since {who['by']}" if who else "a process that just started"
    what, where = f"another run of {recipe} is in progress: {by}", str(project / "runs" / recipe)
    return BusyError(Problem(what, where, "wait for it, or stop it with `conch stop`"))
