"""similar: the last answer is near enough to a reference text.

    similar: {to: 我是神奇海螺。, least: 0.6}             by chrF, characters in common
    similar: {to: 我是神奇海螺。, least: 0.6, by: rouge-l}  by LLaMA-Factory's ROUGE-L, words in order

`least` is a share, 0 to 1, of the metric's 100 (orchestrator/metrics). Compared in NFC, letter case counting;
thinking that the server split off is not part of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    USUAL_METRIC,
    Case,
    PromptPlan,
    last_turn,
    likeness,
    likeness_problem,
    quoted,
    text_problem,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Verdict

name = "similar"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the last answer scores at least the share."""
    reference, least, metric = argument["to"], argument["least"], argument.get("by", USUAL_METRIC)
    turn = last_turn(transcripts)
    missing = why_unanswered(turn)
    if turn is None or missing:
        return verdict(case, name, turn, passed=False, reason=missing, expected=reference)
    share = likeness(turn.content, reference, metric)
    passed = share >= least
    reason = f"{metric} {share:.2f}, at least {least:g} wanted"
    if not passed:
        reason += f": expected {quoted(reference)}, got {quoted(turn.content)}"
    return verdict(case, name, turn, passed=passed, reason=reason, expected=reference)


def problem(argument: Any) -> str | None:
    """A mapping with a reference and a share is wanted."""
    if not isinstance(argument, dict) or not {"to", "least"} <= set(argument) <= {"to", "least", "by"}:
        return "must be a mapping such as {to: 我是神奇海螺。, least: 0.6}"
    wrong = text_problem(argument["to"])
    if wrong:
        return f"to: {wrong}"
    return likeness_problem(argument)
