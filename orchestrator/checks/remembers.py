"""remembers: the last question is answered correctly with its history, and differently without it.

The argument is a text that the answer with history must contain. If the model answers the same way without
history, the check proves nothing about memory and fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.checks.base import (
    WITHOUT_HISTORY,
    Case,
    Check,
    PromptPlan,
    contained,
    last_turn,
    normal,
    quoted,
    text_problem,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Sentence, Transcript, Turn, Verdict, in_chinese


class Remembers(Check[str]):
    """The answer with history contains the text, and the one without is another."""

    name = "remembers"

    def prompts(self, case: Case, argument: str) -> tuple[PromptPlan, ...]:
        return (*whole(case), PromptPlan(WITHOUT_HISTORY, case.ask[-1:], case.system))

    def judge(self, case: Case, argument: str, transcripts: Sequence[Transcript]) -> Verdict:
        turn, alone = last_turn(transcripts), last_turn(transcripts, WITHOUT_HISTORY)
        fault = _fault(case, argument, turn, alone)
        other = quoted(alone.content) if alone else ""
        success = Sentence(
            f"remembered; without history it answers {other}", f"记住了；没有历史时回答 {other}"
        )
        return verdict(case, self.name, turn, passed=not fault, reason=fault or success, expected=argument)

    def problem(self, argument: object) -> str | None:
        return text_problem(argument)


CHECK = Remembers()


def _fault(case: Case, argument: str, turn: Turn | None, alone: Turn | None) -> Sentence:
    if len(case.ask) == 1:
        return Sentence(
            "the case has only one question: nothing to remember", "用例只有一个问题，没有需要记住的内容"
        )
    missing = why_unanswered(turn)
    if turn is None or missing:
        return missing
    answer = quoted(turn.content)
    if not contained([argument], turn.content):
        text = quoted(argument)
        return Sentence(
            f"expected {text} with history, got {answer}", f"有历史时回答应包含 {text}，实际为 {answer}"
        )
    if alone is None or alone.error:
        why = why_unanswered(alone)
        return Sentence(f"without history: {why}", f"没有历史时：{in_chinese(why)}")
    if normal(alone.content) == normal(turn.content):
        return Sentence(f"the answer is the same without history: {answer}", f"没有历史时回答相同：{answer}")
    return Sentence()
