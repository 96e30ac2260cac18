"""Waiting where a server asks for it: Retry-After of a 429 or 503, a few times and not for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from orchestrator.execute.inference.request_errors import RequestError

WAITS = 3
LONGEST = 60.0

_Answer = TypeVar("_Answer")


def patiently(ask: Callable[[], _Answer], *, waits: int = WAITS, longest: float = LONGEST) -> _Answer:
    """What `ask` returns, asked again where the server said when; raises the last Trouble.

    Args:
        ask: raises Trouble.
        waits: so many times at most.
        longest: seconds; a server that wants a longer wait is not waited for.
    """
    for _ in range(waits):
        try:
            return ask()
        except RequestError as trouble:
            if trouble.wait is None or trouble.wait > longest:
                raise
            time.sleep(trouble.wait)
    return ask()
