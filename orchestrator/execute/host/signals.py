"""Signals, turned into one exception raised at well-known points: never in the middle of a write.

A handler only counts; the main loop asks with check(). Everything that waits or works long in this
process calls check() a few times a second.
"""

from __future__ import annotations

import signal
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
    """While inside, SIGINT, SIGTERM and SIGHUP are counted instead of acted upon. Main thread only.

    Enter it before the first child starts. Leaving it restores the handlers that were there. A SIGHUP that is
    ignored stays so: `nohup` and a supervisor outlive their terminal.
    """
    _received.signum, _received.count = 0, 0
    try:
        with _handled(SIGNALS, _note):
            yield
    finally:
        _received.signum, _received.count = 0, 0


@contextmanager
def raised() -> Iterator[None]:
    """While inside, SIGTERM and SIGHUP raise Interrupted at once, as Ctrl-C raises KeyboardInterrupt.

    For where a person's next line is waited for, and nobody can ask with check(). Main thread only.
    """
    with _handled((signal.SIGTERM, signal.SIGHUP), _raise):
        yield


@contextmanager
def _handled(signums: Iterable[int], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have these signals handled so, but a SIGHUP that is ignored; then as before."""
    deaf = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    heard = [signum for signum in signums if not (deaf and signum == signal.SIGHUP)]
    before = {signum: signal.signal(signum, handler) for signum in heard}
    try:
        yield
    finally:
        for signum, earlier in before.items():
            signal.signal(signum, earlier)


def _raise(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  the handler's shape
    raise Interrupted(Problem(f"interrupted ({signal.Signals(signum).name})"), signum=signum)


def _note(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  the handler's shape
    _received.signum = _received.signum or signum
    _received.count += 1


def check() -> None:
    """Raise Interrupted when a signal has come since catch_signals() was entered."""
    if _received.count:
        raise interrupted()


def interrupted() -> Interrupted:
    """The exception of the first signal that came (SIGINT when none did)."""
    signum = _received.signum or signal.SIGINT
    name = signal.Signals(signum).name
    hint = "type the same command again: it goes on where it stopped"
    return Interrupted(Problem(f"interrupted ({name})", hint=hint), signum=signum)


def impatient() -> bool:
    """Whether a second signal came: stop politely no longer."""
    return _received.count > 1
