"""Signals become one exception, raised at known points and never during a write.

The handler only counts; check() raises. Everything that waits or works for long calls check() a few times a
second.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from orchestrator.errors import Interrupted, Problem

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class _Received:
    signum: int = 0
    count: int = 0


_received = _Received()


@contextmanager
def catch_signals() -> Iterator[None]:
    """Inside the block, SIGINT, SIGTERM and SIGHUP are counted, for check().

    Enter it before the first child starts; leaving it restores the previous handlers. An ignored SIGHUP stays
    ignored, so that `nohup` and a supervisor outlive their terminal. In another thread than the main one it
    does nothing: there the main thread's handlers decide.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _received.signum, _received.count = 0, 0
    try:
        with _handled(SIGNALS, _note):
            yield
    finally:
        _received.signum, _received.count = 0, 0


@contextmanager
def raised() -> Iterator[None]:
    """Inside the block, SIGTERM and SIGHUP raise Interrupted at once, as Ctrl-C raises KeyboardInterrupt.

    For code that waits for a person's input and cannot call check(). Main thread only.
    """
    with _handled((signal.SIGTERM, signal.SIGHUP), _raise):
        yield


@contextmanager
def _handled(signums: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Install a handler for these signals, except for an ignored SIGHUP; restore the previous ones."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    handled = [signum for signum in signums if not (ignored and signum == signal.SIGHUP)]
    previous = {signum: signal.signal(signum, handler) for signum in handled}
    try:
        yield
    finally:
        for signum, earlier in previous.items():
            signal.signal(signum, earlier)


def _raise(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  the handler's shape
    raise Interrupted(Problem(f"interrupted ({signal.Signals(signum).name})"), signum=signum)


def _note(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  the handler's shape
    _received.signum = _received.signum or signum
    _received.count += 1


def check() -> None:
    """Raise Interrupted if a signal arrived since catch_signals() was entered."""
    if _received.count:
        raise interrupted()


def interrupted() -> Interrupted:
    """The exception of the first signal that arrived (SIGINT if none did)."""
    signum = _received.signum or signal.SIGINT
    name = signal.Signals(signum).name
    hint = "run the same command again to continue"
    return Interrupted(Problem(f"interrupted ({name})", hint=hint), signum=signum)


def impatient() -> bool:
    """Whether a second signal arrived: kill at once."""
    return _received.count > 1
