"""Every lock of Conch, made with filelock: an flock, which a killed process loses and a child never inherits.

Two kinds of file. A lock file is what its holders compete for; nobody else opens it. A live record says who
holds it: a new file each time, locked before it gets its name, so that reading it competes with nobody, and
whoever finds it unlocked knows that its writer is gone. Network file systems on which flock does nothing are
not covered.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.errors import BusyError, MissingError, Problem
from orchestrator.execute.host import signals
from orchestrator.execute.host.atomic_files import open_regular, remove, write_error

if TYPE_CHECKING:
    from filelock import UnixFileLock

# How long a start waits for a holder without a record: one that needs milliseconds, is starting, or ends.
PATIENCE = 10.0
_POLL = 0.02
# A live record is one small JSON object.
_LONGEST = 1 << 16


@contextmanager
def exclusive(
    path: Path, busy: Callable[[], BusyError], *, is_held: Callable[[], bool] | None = None
) -> Iterator[None]:
    """Hold a lock file, after a wait of at most PATIENCE where that may help.

    Args:
        path: the lock file; it is never removed.
        busy: the error if another process keeps it.
        is_held: whether a live record says that it is held for long; without it, there is no wait at all.

    Raises:
        BusyError: what `busy` returns.
        MissingError: its folder cannot be written.
    """
    from filelock import Timeout

    lock = _lock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE if is_held else 0, poll_interval=_POLL, cancel_check=is_held)
    except Timeout:
        raise busy() from None
    except OSError as error:
        raise MissingError(Problem(f"cannot lock: {error.strerror}", str(path.parent))) from error
    try:
        if is_held and is_held():  # its holder lives, but somebody deleted the lock file
            raise busy()
        yield
    finally:
        lock.release()


@contextmanager
def queued(path: Path, message: str, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold a lock file; if another process holds it, report `message` once and wait. Ctrl-C ends the wait."""
    from filelock import Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress(message)
        while not lock.is_locked:
            signals.check()
            try:
                lock.acquire(timeout=0.5)
            except Timeout:
                continue
    try:
        yield
    finally:
        lock.release()


@contextmanager
def live_record(path: Path, content: str) -> Iterator[None]:
    """Put a record in place that `read_live` returns while this block runs; the caller holds a lock file.

    Raises:
        StageFailed: the disk is full. MissingError: it cannot be written.
    """
    new = path.with_name(f"{path.name}.new")
    lock = _lock(new)
    try:
        try:
            remove(new)
            lock.acquire(timeout=0)
            new.write_text(content, encoding="utf-8")
            new.replace(path)
        except OSError as error:
            raise write_error(error, path) from None
        yield
    finally:
        lock.release()


def read_live(path: Path) -> bytes | None:
    """A live record; None if its writer is gone, or if it is not a file of this user's.

    The shared lock lets two readers look at once, which filelock's exclusive ones would not.
    """
    try:
        with open_regular(path, follow=False) as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            try:
                fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(_LONGEST)
    except OSError:
        pass
    return None


def lock_open_file(descriptor: int) -> bool:
    """Lock a file that is open; False if another process has it."""
    from filelock import lock_descriptor

    return lock_descriptor(descriptor, blocking=False)


def _lock(path: Path) -> UnixFileLock:
    from filelock import UnixFileLock

    return UnixFileLock(path, mode=0o600, fallback_to_soft=False)
