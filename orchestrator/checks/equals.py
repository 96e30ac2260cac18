"""equals: the last answer is a text, in NFC and without the white space around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    Case,
    PromptPlan,
    last_turn,
    normal,
    quoted,
    text_problem,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Verdict

name = "equals"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the last answer is the text."""
    turn = last_turn(transcripts)
    missing = why_unanswered(turn)
    if turn is None or missing:
        return verdict(case, name, turn, passed=False, reason=missing, expected=argument)
    passed = normal(turn.content) == normal(argument)
    reason = (
        "the answer is the expected text"
        if passed
        else f"expected {quoted(argument)}, got {quoted(turn.content)}"
    )
    return verdict(case, name, turn, passed=passed, reason=reason, expected=argument)


def problem(argument: Any) -> str | None:
    """A text is wanted."""
    return text_problem(argument)
