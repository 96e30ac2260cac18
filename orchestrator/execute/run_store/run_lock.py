"""How a run is locked: a flock on runs/RECIPE/.lock, held while a process works on that recipe's runs.

Whether a run is worked on is what the lock says, never a pid: a holder that was killed holds nothing.
Network file systems on which flock does nothing are not covered.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import filelock

from orchestrator.errors import BusyError, MissingError, Problem
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.processes import process_tree


class Holder(TypedDict):
    """A process that works on a run: its id and start, this boot of its machine, and since when it holds."""

    pid: int
    ticks: int | None
    boot: str
    host: str
    by: str


@contextmanager
def exclusive(path: Path, busy: Callable[[], BusyError]) -> Iterator[None]:
    """Hold a lock file.

    Raises:
        BusyError: what `busy` returns, where another process holds it.
        MissingError: its folder cannot be written.
    """
    lock = filelock.UnixFileLock(path, mode=0o600, fallback_to_soft=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise busy() from None
    except OSError as error:
        raise MissingError(Problem(f"cannot lock: {error.strerror}", str(path.parent))) from error
    try:
        yield
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock file now."""
    if not path.exists():
        return False
    lock = filelock.UnixFileLock(path, mode=0o600)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False


@contextmanager
def hold(project: Path, recipe: str) -> Iterator[None]:
    """Hold a recipe's runs.

    Raises:
        BusyError: another process holds them; names its pid, host and start.
        MissingError: the project's runs folder cannot be written.
    """
    folder = project / "runs" / recipe
    with exclusive(folder / ".lock", lambda: _busy(project, recipe)):
        write_durable(folder / ".holder.json", json.dumps(this_process()), mode=0o600)
        yield


def is_held(project: Path, recipe: str) -> bool:
    """Whether a process works on a recipe's runs now."""
    return is_locked(project / "runs" / recipe / ".lock")


def holder(project: Path, recipe: str) -> Holder | None:
    """The process that holds, or last held, a recipe's runs; None when that is unknown."""
    found = read_json(project / "runs" / recipe / ".holder.json")
    return Holder(**found) if found and Holder.__required_keys__ <= found.keys() else None  # type: ignore[typeddict-item]


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
