"""A file lock that reports when another process holds it; Ctrl-C ends the wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.execute.host import signals


@contextmanager
def exclusive(path: Path, message: str, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock at a path; if another process holds it, report `message` once and wait."""
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
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
