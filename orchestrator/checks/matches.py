"""matches: a regular expression (Python's `re`) is found in the last answer.

`re` backtracks, so a pattern such as `(a+)+$` takes exponential time on some answers. A nested repetition is
rejected when the recipe is read, and only the first SEARCHED characters are searched. Other slow patterns
(overlapping alternatives, `(a|aa)*`) are not detected.
"""

from __future__ import annotations

import re

from orchestrator.checks.base import LastAnswerCheck, Result, normal, quoted, text_problem
from orchestrator.results import Sentence, Turn

SEARCHED = 4_000

# A group that holds an unbounded repetition and is itself repeated without bound. Escaped characters and
# character classes are blanked first, so that `\+` and `[+*]` do not count.
_BLANKED = r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]"
_NESTED = r"\([^()]*(?:[+*]|\{\d*,\})[^()]*\)(?:[+*]|\{\d*,\})"


class Matches(LastAnswerCheck[str]):
    """The pattern is found in the last answer."""

    name = "matches"

    def expected(self, argument: str) -> str:
        return argument

    def result(self, turn: Turn, argument: str) -> Result:
        if found := re.search(argument, normal(turn.content)[:SEARCHED]):
            text = quoted(found.group())
            return True, Sentence(f"found {text}", f"匹配到 {text}")
        answer = quoted(turn.content)
        return False, Sentence(f"expected /{argument}/, got {answer}", f"应匹配 /{argument}/，实为 {answer}")

    def problem(self, argument: object) -> str | None:
        if not isinstance(argument, str) or text_problem(argument):
            return text_problem(argument)
        try:
            re.compile(argument)
        except (re.error, OverflowError, RecursionError) as error:
            return f"not a regular expression: {error}"
        if re.search(_NESTED, re.sub(_BLANKED, "x", argument)):
            return "nests a repetition in a repetition, such as (a+)+, which can take exponential time"
        return None


CHECK = Matches()
