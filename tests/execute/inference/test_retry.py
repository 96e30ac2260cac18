"""Waiting where a server asks for it, and no longer."""

from __future__ import annotations

import time

import pytest

from orchestrator.execute.inference.request_errors import ErrorKind, RequestError
from orchestrator.execute.inference.retry import patiently


class Busy:
    """Says so the first few times."""

    def __init__(self, times: int, wait: float | None) -> None:
        self.times, self.wait, self.asked = times, wait, 0

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self.times:
            raise RequestError(ErrorKind.ANSWER, "busy", self.wait)
        return "好"


def test_it_waits_as_long_as_it_is_told_to() -> None:
    busy = Busy(2, 0.05)
    began = time.monotonic()
    assert patiently(busy) == "好"
    assert 0.1 <= time.monotonic() - began < 2
    assert busy.asked == 3


@pytest.mark.parametrize(("wait", "asked"), [(None, 1), (61.0, 1), (0.0, 4)])
def test_it_gives_up(wait: float | None, asked: int) -> None:
    busy = Busy(99, wait)
    with pytest.raises(RequestError, match="busy"):
        patiently(busy)
    assert busy.asked == asked
