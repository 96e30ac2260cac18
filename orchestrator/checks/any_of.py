"""any_of: the last answer contains at least one text of a list.

Case-sensitive, in NFC. Thinking that the server split off is not part of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.checks.base import LastAnswerCheck, Result, contained, list_problem, listed, quoted
from orchestrator.results import Sentence, Turn


class AnyOf(LastAnswerCheck[Sequence[str]]):
    """The last answer contains one of the texts."""

    name = "any_of"

    def expected(self, argument: Sequence[str]) -> str:
        return " | ".join(argument)

    def result(self, turn: Turn, argument: Sequence[str]) -> Result:
        if found := contained(argument, turn.content):
            text = quoted(found[0])
            return True, Sentence(f"the answer contains {text}", f"回答包含 {text}")
        texts, answer = listed(argument), quoted(turn.content)
        return False, Sentence(
            f"expected one of {texts} in the answer, got {answer}",
            f"回答应包含 {texts} 之一，实际为 {answer}",
        )

    def problem(self, argument: object) -> str | None:
        return list_problem(argument, "must be a list of texts, one of which is enough")


CHECK = AnyOf()
