"""forgets: the model does not know in one conversation what was said in another.

The last question is asked once more in a fresh conversation, after the whole one: that answer must not
contain the text. Case-sensitive, in NFC; thinking counts too, since a leak into it is a leak.
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
    quoted,
    text_problem,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Sentence, Transcript, Turn, Verdict, in_chinese


class Forgets(Check[str]):
    """The fresh conversation's answer came and does not contain the text."""

    name = "forgets"

    def prompts(self, case: Case, argument: str) -> tuple[PromptPlan, ...]:
        return (*whole(case), PromptPlan(WITHOUT_HISTORY, case.ask[-1:], case.system))

    def judge(self, case: Case, argument: str, transcripts: Sequence[Transcript]) -> Verdict:
        first, fresh = last_turn(transcripts), last_turn(transcripts, WITHOUT_HISTORY)
        fault = _fault(case, argument, first, fresh)
        answer = quoted(fresh.content) if fresh else ""
        success = Sentence(f"a fresh conversation answers {answer}", f"新对话中的回答为 {answer}")
        expected = Sentence(f"not {argument} in a fresh conversation", f"新对话中不出现 {argument}")
        return verdict(case, self.name, fresh, passed=not fault, reason=fault or success, expected=expected)

    def problem(self, argument: object) -> str | None:
        return text_problem(argument)


CHECK = Forgets()


def _fault(case: Case, argument: str, first: Turn | None, fresh: Turn | None) -> Sentence:
    if len(case.ask) == 1:
        return Sentence(
            "the case has only one question: nothing to forget", "用例只有一个问题，没有可遗忘的内容"
        )
    if first is None or first.error:
        why = why_unanswered(first)
        return Sentence(f"the first conversation: {why}", f"第一个对话：{in_chinese(why)}")
    why = why_unanswered(fresh)
    if fresh is None or why:
        return Sentence(f"in a fresh conversation: {why}", f"新对话中：{in_chinese(why)}")
    if contained([argument], fresh.content) or contained([argument], fresh.reasoning):
        text, answer = quoted(argument), quoted(fresh.content)
        return Sentence(f"a fresh conversation knows {text}: {answer}", f"新对话仍然知道 {text}：{answer}")
    return Sentence()
