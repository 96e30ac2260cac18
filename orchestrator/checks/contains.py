"""contains: the last answer holds a text, or every text of a list.

Compared in NFC, letter case counting. Thinking that the server split off is not part of the answer.
"""

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

name = "contains"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the last answer holds all the texts."""
    wanted = _texts(argument)
    turn = last_turn(transcripts)
    expected = ", ".join(wanted)
    missing = why_unanswered(turn)
    if turn is None or missing:
        return verdict(case, name, turn, passed=False, reason=missing, expected=expected)
    answer = normal(turn.content)
    absent = [text for text in wanted if normal(text) not in answer]
    if absent:
        reason = f"expected {', '.join(map(quoted, absent))} in the answer, got {quoted(answer)}"
        return verdict(case, name, turn, passed=False, reason=reason, expected=expected)
    reason = f"the answer holds {', '.join(map(quoted, wanted))}"
    return verdict(case, name, turn, passed=True, reason=reason, expected=expected)


def problem(argument: Any) -> str | None:
    """A text or a list of texts is wanted."""
    if not isinstance(argument, list | tuple):
        return text_problem(argument)
    if not argument:
        return "must name at least one text"
    return next((f"[{i}]: {wrong}" for i, each in enumerate(argument) if (wrong := text_problem(each))), None)


def _texts(argument: Any) -> tuple[str, ...]:
    return (argument,) if isinstance(argument, str) else tuple(argument)
