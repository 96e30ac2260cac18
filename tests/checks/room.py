"""Cases and transcripts in few words, for the tests of the checks."""

from __future__ import annotations

from typing import Any

from orchestrator.checks.base import WITH_HISTORY, WITHOUT_HISTORY, Case
from orchestrator.results import Transcript, Turn

CASE = Case("checks[0]", ("请问你是谁",))
FOLLOW_UP = Case("checks[1]", ("汉堡店在哪？", "它几点开门？"))


def turn(content: str = "", **more: Any) -> Turn:
    """One answer; it stopped by itself unless told otherwise."""
    return Turn(messages=(), content=content, **{"finish_reason": "stop", **more})


def said(*contents: str | Turn) -> list[Transcript]:
    """The whole conversation of a case, with these answers."""
    turns = tuple(turn(each) if isinstance(each, str) else each for each in contents)
    return [Transcript("checks[0]", WITH_HISTORY, turns)]


def alone(content: str | Turn) -> Transcript:
    """The last question asked without its history."""
    return Transcript("checks[0]", WITHOUT_HISTORY, (turn(content) if isinstance(content, str) else content,))
