"""forgets: what was said in one conversation is not known in another.

The last question is asked once more in a fresh conversation, after the whole one: that answer must not hold
the text. Compared in NFC, letter case counting; thinking counts here too, since a leak into it is a leak.
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

name = "forgets"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation, and then its last question alone."""
    return (*whole(case), PromptPlan(WITHOUT_HISTORY, case.ask[-1:], case.system))


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the fresh conversation's answer came and does not hold the text."""
    told, alone = last_turn(transcripts), last_turn(transcripts, WITHOUT_HISTORY)
    reason = _wrong(case, argument, told, alone)
    fine = f"a fresh conversation says {quoted(alone.content)}" if alone else ""
    expected = f"not {argument} in a fresh conversation"
    return verdict(case, name, alone, passed=not reason, reason=reason or fine, expected=expected)


def problem(argument: Any) -> str | None:
    """A text is wanted."""
    return text_problem(argument)


def _wrong(case: Case, argument: str, told: Turn | None, alone: Turn | None) -> str:
    if len(case.ask) == 1:
        return "there is nothing to forget: the case asks only one question"
    if told is None or told.error:
        return f"the conversation before it: {why_unanswered(told)}"
    if alone is None or (missing := why_unanswered(alone)):
        return f"in a fresh conversation: {why_unanswered(alone) if alone is None else missing}"
    if normal(argument) in normal(alone.content) or normal(argument) in normal(alone.reasoning):
        return f"a fresh conversation knows {quoted(argument)}: {quoted(alone.content)}"
    return ""
