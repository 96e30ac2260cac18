"""remembers: the last question is answered right with its history, and differently without it.

The argument is the text that the answer with history must hold. A follow-up that the model answers the same
way when it is asked alone proves nothing about memory, so it does not pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    WITHOUT_HISTORY,
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
from orchestrator.results import Transcript, Turn, Verdict

name = "remembers"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation, and its last question alone."""
    return (*whole(case), PromptPlan(WITHOUT_HISTORY, case.ask[-1:], case.system))


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the answer with history holds the text and the one without it is another."""
    turn = last_turn(transcripts)
    alone = last_turn(transcripts, WITHOUT_HISTORY)
    reason = _wrong(case, argument, turn, alone)
    told = f"remembered; without history it says {quoted(alone.content)}" if alone else ""
    return verdict(case, name, turn, passed=not reason, reason=reason or told, expected=argument)


def problem(argument: Any) -> str | None:
    """A text is wanted."""
    return text_problem(argument)


def _wrong(case: Case, argument: str, turn: Turn | None, alone: Turn | None) -> str:
    if len(case.ask) == 1:
        return "there is nothing to remember: the case asks only one question"
    if turn is None or (missing := why_unanswered(turn)):
        return missing if turn else "it was not asked"
    if normal(argument) not in normal(turn.content):
        return f"expected {quoted(argument)} with history, got {quoted(turn.content)}"
    if alone is None or alone.error:
        return f"without history: {why_unanswered(alone)}"
    if normal(alone.content) == normal(turn.content):
        return f"the answer is the same without history: {quoted(turn.content)}"
    return ""
