"""similar: the last answer is similar enough to a reference text.

    similar: {to: 我是神奇海螺。, least: 0.6}             by chrF, characters in common
    similar: {to: 我是神奇海螺。, least: 0.6, by: rouge-l}  by LLaMA-Factory's ROUGE-L, words in order

`least` is a share, 0 to 1, of the metric's 100 (orchestrator/metrics). Case-sensitive, in NFC; thinking that
the server split off is not part of the answer.
"""

from __future__ import annotations

from orchestrator.checks.base import (
    LastAnswerCheck,
    LikenessArgument,
    Result,
    likeness_problem,
    likeness_result,
    quoted,
    text_problem,
)
from orchestrator.results import Sentence, Turn, in_chinese


class SimilarArgument(LikenessArgument):
    """The reference, and how similar the answer must be."""

    to: str


class Similar(LastAnswerCheck[SimilarArgument]):
    """The last answer scores at least the share."""

    name = "similar"

    def expected(self, argument: SimilarArgument) -> str:
        return argument["to"]

    def result(self, turn: Turn, argument: SimilarArgument) -> Result:
        passed, score = likeness_result(turn.content, argument["to"], argument)
        if passed:
            return True, score
        want, got = quoted(argument["to"]), quoted(turn.content)
        return False, Sentence(
            f"{score}: expected {want}, got {got}", f"{in_chinese(score)}：期望 {want}，实际为 {got}"
        )

    def problem(self, argument: object) -> str | None:
        if not isinstance(argument, dict) or not {"to", "least"} <= set(argument) <= {"to", "least", "by"}:
            return "must be a mapping such as {to: 我是神奇海螺。, least: 0.6}"
        wrong = text_problem(argument["to"])
        return f"to: {wrong}" if wrong else likeness_problem(argument)


CHECK = Similar()
