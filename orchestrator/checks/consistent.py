"""consistent: the same question in other words gets the same answer.

    consistent: [你叫什么？, 请告诉我你的名字]               the same up to case, spaces and final marks
    consistent: {ask: [你叫什么？], least: 0.6, by: chrf}    similar by a metric (orchestrator/metrics)

Each phrasing is asked alone, in a fresh conversation with the case's system prompt; its answer is compared
with the case's own last answer. Thinking that the server split off is not part of an answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from orchestrator.checks.base import (
    Case,
    Check,
    LikenessArgument,
    PromptPlan,
    last_turn,
    likeness_problem,
    likeness_result,
    list_problem,
    normal,
    quoted,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Sentence, Transcript, Turn, Verdict, in_chinese, joined


class ConsistentArgument(LikenessArgument):
    """The phrasings, and how similar their answers must be."""

    ask: list[str]


_Argument = Sequence[str] | ConsistentArgument


class Consistent(Check[_Argument]):
    """Every phrasing's answer agrees with the case's own."""

    name = "consistent"

    def prompts(self, case: Case, argument: _Argument) -> tuple[PromptPlan, ...]:
        plans = (PromptPlan(purpose(ask), (ask,), case.system) for ask in _phrasings(argument))
        return (*whole(case), *plans)

    def judge(self, case: Case, argument: _Argument, transcripts: Sequence[Transcript]) -> Verdict:
        first = last_turn(transcripts)
        missing = why_unanswered(first)
        if first is None or missing:
            return verdict(case, self.name, first, passed=False, reason=missing)
        phrasings = _phrasings(argument)
        faults = [
            Sentence(f"{quoted(ask)}: {fault}", f"{quoted(ask)}：{in_chinese(fault)}")
            for ask in phrasings
            if (fault := _fault(first.content, last_turn(transcripts, purpose(ask)), argument))
        ]
        count, alike = 1 + len(phrasings), isinstance(argument, dict)
        success = Sentence(
            f"{count} phrasings, {'similar' if alike else 'the same'} answers",
            f"{count} 种问法，回答{'相近' if alike else '相同'}",
        )
        expected = first.content.strip() if faults else ""
        reason = joined(faults) or success
        return verdict(case, self.name, first, passed=not faults, reason=reason, expected=expected)

    def problem(self, argument: object) -> str | None:
        if isinstance(argument, dict):
            if not {"ask", "least"} <= set(argument) <= {"ask", "least", "by"}:
                return "must be a list of questions, or a mapping such as {ask: [你叫什么？], least: 0.6}"
            if wrong := likeness_problem(argument):
                return wrong
            argument = argument["ask"]
        wrong = list_problem(argument, "must be a list of other ways to ask the question")
        if wrong or not isinstance(argument, list | tuple):
            return wrong
        return None if len(set(argument)) == len(argument) else "must not ask the same twice"


CHECK = Consistent()


def purpose(ask: str) -> str:
    """The name of a phrasing's conversation among those of its case."""
    return f"asked as: {ask}"


def plain(text: str) -> str:
    """A text in the form in which it is compared: without case, width, white space and final punctuation.

    >>> plain("我是 神奇海螺！") == plain("我是神奇海螺。"), plain("3.5") == plain("35")
    (True, False)
    """
    folded = "".join(unicodedata.normalize("NFKC", normal(text)).casefold().split())
    return folded.rstrip(".。!！~…?") or folded


def _phrasings(argument: _Argument) -> tuple[str, ...]:
    return tuple(argument["ask"] if isinstance(argument, dict) else argument)


def _fault(first: str, turn: Turn | None, argument: _Argument) -> Sentence:
    missing = why_unanswered(turn)
    if turn is None or missing:
        return missing
    answer = quoted(turn.content)
    if not isinstance(argument, dict):
        same = plain(turn.content) == plain(first)
        return Sentence() if same else Sentence(f"answered {answer}", f"回答为 {answer}")
    passed, score = likeness_result(turn.content, first, argument)
    return Sentence() if passed else Sentence(f"{score}, answered {answer}", f"{score.zh}，回答为 {answer}")
