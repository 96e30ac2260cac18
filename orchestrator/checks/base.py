"""The socket of a check: what is asked for it, and what the answers show. Pure.

A check is a module with a `name`, `asks`, `judge` and `problem`; `orchestrator.checks.CHECKS` is the board.
Which conversations exist:

    "with history"      the case's turns one after the other, each sent with the server's own earlier
                        answers, as an ordinary chat client does
    "without history"   the case's last turn alone (asked only for the checks that want it)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.metrics import METRICS
from orchestrator.results import Transcript, Turn, Verdict

WITH_HISTORY = "with history"
WITHOUT_HISTORY = "without history"

SHOWN = 120
USUAL_METRIC = "chrf"


@dataclass(frozen=True, slots=True)
class Case:
    """One entry of a recipe's `verify.checks`, or one paraphrase of a data set.

    Attributes:
        id: "checks[2]", "paraphrases[0]".
        ask: what the user says, turn by turn; at least one.
        system: the system prompt, "" for none.
        expect: check name → its argument.
        seed: of every request of the case; 0 for none.
        tools: that the model may call, in OpenAI's shape.
    """

    id: str
    ask: tuple[str, ...]
    system: str = ""
    expect: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCase:
    """An entry of a recipe's `verify.checks` that stands for rows of the data: one Case for each row.

    Attributes:
        id, system, expect, tools: as of Case; an empty `system` leaves each row its own.
        part: "train", "validation" or "test".
        datasets: the prepared data sets of that part.
        limit: the largest number of rows, evenly spread; None for all.
    """

    id: str
    part: str
    datasets: tuple[str, ...]
    limit: int | None = None
    system: str = ""
    expect: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """A conversation that a check wants.

    Attributes:
        purpose: names it among the conversations of its case.
        turns: what the user says, oldest first.
        system: "" for none.
        streamed: every request is to be sent a second time with stream=true.
        seed: of every request, 0 for none.
        tools: that are sent with every request.
    """

    purpose: str
    turns: tuple[str, ...]
    system: str = ""
    streamed: bool = False
    seed: int = 0
    tools: tuple[Mapping[str, Any], ...] = ()


class Check(Protocol):
    """What a module in orchestrator/checks offers. `argument` is what the recipe gave under its name."""

    name: str

    def asks(self, case: Case, argument: Any, /) -> tuple[PromptPlan, ...]:
        """The conversations that the check wants to see."""

    def judge(self, case: Case, argument: Any, transcripts: Sequence[Transcript], /) -> Verdict:
        """What the case's transcripts show."""

    def problem(self, argument: Any, /) -> str | None:
        """What is wrong with the argument that a recipe gives, or None."""


def whole(case: Case, *, streamed: bool = False) -> tuple[PromptPlan, ...]:
    """The case's conversation as it stands: what most checks ask."""
    return (PromptPlan(WITH_HISTORY, case.ask, case.system, streamed),)


def transcript_of(transcripts: Sequence[Transcript], purpose: str) -> Transcript | None:
    """The transcript of one purpose; None when it was not asked."""
    return next((each for each in transcripts if each.purpose == purpose), None)


def last_turn(transcripts: Sequence[Transcript], purpose: str = WITH_HISTORY) -> Turn | None:
    """The last turn of a purpose; None when nothing was asked."""
    found = transcript_of(transcripts, purpose)
    return found.turns[-1] if found and found.turns else None


def why_unanswered(turn: Turn | None) -> str:
    """Why there is no text to judge, as a sentence; "" when there is."""
    if turn is None:
        return "it was not asked"
    if turn.error:
        return turn.error
    if turn.content:
        return ""
    if turn.tool_calls:
        return f"the answer is a call of {turn.tool_calls[0]['name'] or 'a tool'}, not a text"
    if turn.reasoning:
        return (
            f"the server sent no answer, only thinking: {quoted(turn.reasoning)} "
            "(is its reasoning parser the one for this model?)"
        )
    return "the answer is empty"


def normal(text: str) -> str:
    """The text as it is compared: NFC, without the white space around it.

    >>> normal(" 汉堡 ")
    '汉堡'
    """
    return unicodedata.normalize("NFC", text).strip()


def quoted(text: str, limit: int = SHOWN) -> str:
    """The text in quotation marks, cut to `limit` characters.

    >>> quoted("abcdef", 3)
    '"abc…"'
    """
    cut = text.strip()
    return f'"{cut}"' if len(cut) <= limit else f'"{cut[:limit]}…"'


def question_of(case: Case) -> str:
    """The case's turns as one line for a person."""
    return " → ".join(case.ask)


def answer_of(turn: Turn | None) -> str:
    """What a person is shown as the answer; thinking is shown, in brackets, where nothing else came."""
    if turn is None or turn.error:
        return ""
    if turn.content.strip():
        return turn.content.strip()
    if turn.tool_calls:
        return "; ".join(f"{call['name']}({call['arguments']})" for call in turn.tool_calls)
    return f"[thinking] {turn.reasoning.strip()}" if turn.reasoning.strip() else ""


def verdict(
    case: Case, check: str, turn: Turn | None, *, passed: bool, reason: str, expected: str = ""
) -> Verdict:
    """A Verdict with the case's question and the turn's answer filled in."""
    return Verdict(
        case=case.id,
        check=check,
        passed=passed,
        question=question_of(case),
        answer=answer_of(turn),
        expected=expected,
        reason=reason,
    )


def text_problem(argument: Any) -> str | None:
    """What is wrong with an argument that must be a text; None when nothing is."""
    if not isinstance(argument, str):
        return f"must be a text, got {type(argument).__name__}; quote it"
    return None if argument.strip() else "must not be empty"


def flag_problem(argument: Any) -> str | None:
    """What is wrong with the argument of a check that takes none; None when nothing is."""
    return None if argument is True or argument is None else "takes no argument; write true"


def likeness(text: str, reference: str, by: str) -> float:
    """How near a text is to another by a metric, 0 to 1; both as they are compared."""
    return METRICS[by].score(normal(text), normal(reference)) / 100


def likeness_problem(argument: Mapping[str, Any]) -> str | None:
    """What is wrong with the `least` and the `by` of a check of likeness; None when nothing is."""
    if wrong := share_problem(argument["least"]):
        return f"least: {wrong}"
    known = argument.get("by", USUAL_METRIC) in METRICS
    return None if known else f"by: must be one of {', '.join(METRICS)}"


def share_problem(argument: Any) -> str | None:
    """What is wrong with an argument that must be a share; None when nothing is."""
    if isinstance(argument, bool) or not isinstance(argument, int | float) or not 0 < argument <= 1:
        return "must be a share above 0 and at most 1"
    return None
