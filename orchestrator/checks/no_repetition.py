"""no_repetition: no answer of the case repeats the same words in a loop.

A loop is a passage of letters that comes TIMES times in a row and is SPAN characters long in all. White
space, punctuation and digits are removed first, so a loop with a counter or a comma between its rounds is
found too, and Chinese needs no word segmentation. Thinking is checked as well: small models loop there. Not
found: a passage that repeats with other words in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from orchestrator.checks.base import Case, EveryTurnCheck, error_of, quoted
from orchestrator.results import Sentence, Turn

TIMES, SPAN = 4, 24
# Longer rounds are rare, and the time of the search grows with their length times the text's.
_LOOP = rf"(?s)(.{{1,200}}?)\1{{{TIMES - 1},}}"
_NO_LETTER = r"[\W\d_]+"
SEARCHED = 8_000


class NoRepetition(EveryTurnCheck[bool]):
    """No turn loops."""

    name = "no_repetition"

    def faults(self, question: str, turn: Turn, argument: bool) -> Iterable[Sentence]:
        if turn.error:
            yield error_of(turn)
            return
        for en, zh, text in (("answer", "回答", turn.content), ("thinking", "思考", turn.reasoning)):
            if passage := loop(text):
                yield Sentence(
                    f"the {en} repeats {quoted(passage)} over and over: {quoted(text)}",
                    f"{zh}反复重复 {quoted(passage)}：{quoted(text)}",
                )
                return

    def success(self, case: Case, argument: bool) -> Sentence:
        return Sentence("no answer repeats itself", "没有重复")


CHECK = NoRepetition()


def loop(text: str) -> str:
    """The passage that repeats; "" if none does.

    >>> loop("我是海螺，" * 8), loop("哈哈哈哈"), loop("1. 好的 2. 好的 " * 9)
    ('我是海螺', '', '好的')
    """
    letters = re.sub(_NO_LETTER, "", text)[-SEARCHED:]
    return next((found[1] for found in re.finditer(_LOOP, letters) if len(found[0]) >= SPAN), "")
