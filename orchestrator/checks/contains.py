"""contains: the last answer contains a text, or every text of a list.

Case-sensitive, in NFC. Thinking that the server split off is not part of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.checks.base import (
    LastAnswerCheck,
    Result,
    contained,
    listed,
    quoted,
    texts_of,
    texts_problem,
)
from orchestrator.results import Sentence, Turn


class Contains(LastAnswerCheck[str | Sequence[str]]):
    """The last answer contains all the texts."""

    name = "contains"

    def expected(self, argument: str | Sequence[str]) -> str:
        return ", ".join(texts_of(argument))

    def result(self, turn: Turn, argument: str | Sequence[str]) -> Result:
        texts = texts_of(argument)
        found = contained(texts, turn.content)
        if absent := listed(text for text in texts if text not in found):
            answer = quoted(turn.content)
            return False, Sentence(
                f"expected {absent} in the answer, got {answer}", f"回答应包含 {absent}，实际为 {answer}"
            )
        return True, Sentence(f"the answer contains {listed(texts)}", f"回答包含 {listed(texts)}")

    def problem(self, argument: object) -> str | None:
        return texts_problem(argument)


CHECK = Contains()
