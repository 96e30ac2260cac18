"""any_of: the last answer holds at least one text of a list.

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

name = "any_of"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the last answer holds one of the texts."""
    turn = last_turn(transcripts)
    expected = " | ".join(argument)
    missing = why_unanswered(turn)
    if turn is None or missing:
        return verdict(case, name, turn, passed=False, reason=missing, expected=expected)
    answer = normal(turn.content)
    found = next((text for text in argument if normal(text) in answer), None)
    if found is None:
        reason = f"expected one of {', '.join(map(quoted, argument))} in the answer, got {quoted(answer)}"
        return verdict(case, name, turn, passed=False, reason=reason, expected=expected)
    reason = f"the answer holds {quoted(found)}"
    return verdict(case, name, turn, passed=True, reason=reason, expected=expected)


def problem(argument: Any) -> str | None:
    """A list of texts is wanted."""
    if not isinstance(argument, list | tuple) or not argument:
        return "must be a list of texts, one of which is enough"
    return next((f"[{i}]: {wrong}" for i, each in enumerate(argument) if (wrong := text_problem(each))), None)
