"""length: the last answer is neither too short nor too long, in characters or tokens.

    length: {most: 200}    length: {least: 10, most: 50, unit: tokens}

Characters are Unicode code points of the answer in NFC, without white space around it. Tokens are those that
the server generated, thinking and the end among them, and only count where it tells them (vLLM does).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import Case, PromptPlan, last_turn, normal, verdict, whole, why_unanswered
from orchestrator.results import Transcript, Verdict

name = "length"

CHARACTERS, TOKENS = UNITS = ("characters", "tokens")


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the last answer's length is within the bounds."""
    unit = argument.get("unit", CHARACTERS)
    bounds = [f"{word} {argument[key]}" for key, word in _WORDS.items() if key in argument]
    expected = f"{' and '.join(bounds)} {unit}"
    turn = last_turn(transcripts)
    missing = why_unanswered(turn)
    if turn is not None and not missing and unit == TOKENS and not turn.token_ids:
        missing = "the server does not tell its token ids: count characters"
    if turn is None or missing:
        return verdict(case, name, turn, passed=False, reason=missing, expected=expected)
    size = len(turn.token_ids) if unit == TOKENS else len(normal(turn.content))
    passed = argument.get("least", 0) <= size <= argument.get("most", size)
    reason = f"{size} {unit}" if passed else f"expected {expected}, got {size}"
    return verdict(case, name, turn, passed=passed, reason=reason, expected=expected)


_WORDS = {"least": "at least", "most": "at most"}


def problem(argument: Any) -> str | None:
    """A mapping with one bound or two is wanted."""
    keys = set(argument) if isinstance(argument, dict) else set()
    if not keys & {"least", "most"} or keys - {"least", "most", "unit"}:
        return "must be a mapping such as {least: 10, most: 200}, with unit: tokens where it is no characters"
    for key in _WORDS:
        bound = argument.get(key, 1)
        if isinstance(bound, bool) or not isinstance(bound, int) or bound < 1:
            return f"{key}: must be a whole number of at least 1"
    if argument.get("least", 1) > argument.get("most", argument.get("least", 1)):
        return "least is more than most"
    return None if argument.get("unit", CHARACTERS) in UNITS else f"unit: must be {' or '.join(UNITS)}"
