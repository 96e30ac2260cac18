"""equals: the last answer is exactly a text, in NFC and without surrounding white space."""

from __future__ import annotations

from orchestrator.checks.base import LastAnswerCheck, Result, normal, quoted, text_problem
from orchestrator.results import Sentence, Turn


class Equals(LastAnswerCheck[str]):
    """The last answer is the text."""

    name = "equals"

    def expected(self, argument: str) -> str:
        return argument

    def result(self, turn: Turn, argument: str) -> Result:
        if normal(turn.content) == normal(argument):
            return True, Sentence("the answer is the expected text", "回答与期望一致")
        want, got = quoted(argument), quoted(turn.content)
        return False, Sentence(f"expected {want}, got {got}", f"期望 {want}，实际为 {got}")

    def problem(self, argument: object) -> str | None:
        return text_problem(argument)


CHECK = Equals()
