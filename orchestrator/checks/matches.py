"""matches: a regular expression (Python's `re`) is found in the last answer.

`re` backtracks, so a pattern such as `(a+)+$` takes exponential time on some answers. A repetition of a
repetition is refused when the recipe is read, and only the first SEARCHED characters are searched. Other
slow patterns (overlapping alternatives, `(a|aa)*`) are not found: a recipe is its author's own program.
"""

from __future__ import annotations

import re
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

name = "matches"

SEARCHED = 4_000

# A group that ends in, or holds, an unbounded repetition and is itself repeated without bound. Escaped
# characters and character classes are blanked first, so that `\+` and `[+*]` do not count.
_BLANKED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_NESTED = re.compile(r"\([^()]*(?:[+*]|\{\d*,\})[^()]*\)(?:[+*]|\{\d*,\})")


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the pattern is found in the last answer."""
    turn = last_turn(transcripts)
    missing = why_unanswered(turn)
    if turn is None or missing:
        return verdict(case, name, turn, passed=False, reason=missing, expected=argument)
    found = re.search(argument, normal(turn.content)[:SEARCHED])
    reason = (
        f"found {quoted(found.group())}" if found else f"expected /{argument}/, got {quoted(turn.content)}"
    )
    return verdict(case, name, turn, passed=found is not None, reason=reason, expected=argument)


def problem(argument: Any) -> str | None:
    """A valid pattern without nested unbounded repetitions is wanted."""
    wrong = text_problem(argument)
    if wrong:
        return wrong
    try:
        re.compile(argument)
    except (re.error, OverflowError, RecursionError) as error:
        return f"not a regular expression: {error}"
    if _NESTED.search(_BLANKED.sub("x", argument)):
        return "repeats a repetition, such as (a+)+, which can take exponential time; write it without"
    return None
