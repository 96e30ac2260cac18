"""consistent: the same question, asked in other words, is answered the same.

    consistent: [你叫什么？, 请告诉我你的名字]               the same but for case, spaces and last signs
    consistent: {ask: [你叫什么？], least: 0.6, by: chrf}    near enough by a metric (orchestrator/metrics)

Each is asked alone, in a fresh conversation with the case's system prompt; their answers are held against the
case's own last answer. Thinking that the server split off is not part of an answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from orchestrator.checks.base import (
    USUAL_METRIC,
    Case,
    PromptPlan,
    last_turn,
    likeness,
    likeness_problem,
    normal,
    quoted,
    text_problem,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Turn, Verdict

name = "consistent"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:
    """The whole conversation, and each other phrasing alone."""
    return (*whole(case), *(PromptPlan(purpose(ask), (ask,), case.system) for ask in _phrasings(argument)))


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when every phrasing's answer agrees with the case's own."""
    first = last_turn(transcripts)
    missing = why_unanswered(first)
    expected = first.content.strip() if first else ""
    if first is None or missing:
        return verdict(case, name, first, passed=False, reason=missing)
    phrasings = _phrasings(argument)
    wrongs = [
        f"{quoted(ask)}: {wrong}"
        for ask in phrasings
        if (wrong := _wrong(first.content, last_turn(transcripts, purpose(ask)), argument))
    ]
    alike = "near one another" if isinstance(argument, dict) else "the same"
    reason = "; ".join(wrongs) or f"{1 + len(phrasings)} phrasings, answers {alike}"
    return verdict(case, name, first, passed=not wrongs, reason=reason, expected=expected if wrongs else "")


def problem(argument: Any) -> str | None:
    """A list of questions is wanted, or a mapping with one and a share."""
    if isinstance(argument, dict):
        if not {"ask", "least"} <= set(argument) <= {"ask", "least", "by"}:
            return "must be a list of questions, or a mapping such as {ask: [你叫什么？], least: 0.6}"
        if wrong := likeness_problem(argument):
            return wrong
        argument = argument["ask"]
    if not isinstance(argument, list | tuple) or not argument:
        return "must be a list of other ways to ask the question"
    wrong = next(
        (f"[{i}]: {wrong}" for i, each in enumerate(argument) if (wrong := text_problem(each))), None
    )
    return wrong or (None if len(set(argument)) == len(argument) else "must not ask the same twice")


def purpose(ask: str) -> str:
    """What the conversation of a phrasing is called among those of its case."""
    return f"asked as: {ask}"


def plain(text: str) -> str:
    """A text as it is compared: without letter case, width, white space and the signs at its end.

    >>> plain("我是 神奇海螺！") == plain("我是神奇海螺。"), plain("3.5") == plain("35")
    (True, False)
    """
    folded = "".join(unicodedata.normalize("NFKC", normal(text)).casefold().split())
    return folded.rstrip(".。!！~…?") or folded


def _phrasings(argument: Any) -> tuple[str, ...]:
    return tuple(argument["ask"] if isinstance(argument, dict) else argument)


def _wrong(first: str, turn: Turn | None, argument: Any) -> str:
    missing = why_unanswered(turn)
    if turn is None or missing:
        return missing
    if not isinstance(argument, dict):
        return "" if plain(turn.content) == plain(first) else f"answered {quoted(turn.content)}"
    by = argument.get("by", USUAL_METRIC)
    share = likeness(turn.content, first, by)
    if share >= argument["least"]:
        return ""
    return f"{by} {share:.2f}, at least {argument['least']:g} wanted, answered {quoted(turn.content)}"
