"""no_repetition: no answer of the case runs in a circle, the same words over and over.

A loop is a passage of letters that comes TIMES times in a row, SPAN characters long in all. White space,
punctuation and digits are left out first, so that a loop with a number or a comma between its rounds is one
too; Chinese needs no words cut. Thinking is looked at as well: that is where small models get caught. What
is not found: a passage that comes again with other words between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    WITH_HISTORY,
    Case,
    PromptPlan,
    flag_problem,
    last_turn,
    quoted,
    transcript_of,
    verdict,
    whole,
)
from orchestrator.results import Transcript, Turn, Verdict

name = "no_repetition"

TIMES, SPAN = 4, 24
# Longer rounds than this are rare, and the search takes time with their product with the text's length.
_LOOP = re.compile(rf"(.{{1,200}}?)\1{{{TIMES - 1},}}", re.DOTALL)
_NO_LETTER = re.compile(r"[\W\d_]+")
SEARCHED = 8_000


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:  # noqa: ARG001
    """Passed when no turn loops; a turn without an answer does not pass."""
    found = transcript_of(transcripts, WITH_HISTORY)
    turns = found.turns if found else ()
    reasons = [f"turn {i}: {wrong}" for i, turn in enumerate(turns, 1) if (wrong := _wrong(turn))]
    if not turns:
        reasons = ["it was not asked"]
    reason = "; ".join(reasons) or "nothing is said over and over"
    return verdict(case, name, last_turn(transcripts), passed=not reasons, reason=reason)


def problem(argument: Any) -> str | None:
    """It takes no argument."""
    return flag_problem(argument)


def loop(text: str) -> str:
    """The passage that is said over and over; "" when none is.

    >>> loop("我是海螺，" * 8), loop("哈哈哈哈"), loop("1. 好的 2. 好的 " * 9)
    ('我是海螺', '', '好的')
    """
    letters = _NO_LETTER.sub("", text)[-SEARCHED:]
    return next((found[1] for found in _LOOP.finditer(letters) if len(found[0]) >= SPAN), "")


def _wrong(turn: Turn) -> str:
    if turn.error:
        return turn.error
    for what, text in (("answer", turn.content), ("thinking", turn.reasoning)):
        if again := loop(text):
            return f"the {what} says {quoted(again)} over and over: {quoted(text)}"
    return ""
