"""The protocol of a check: which conversations it needs, and what their transcripts show. Pure.

A check is a class derived from `Check`, usually by one of two bases: LastAnswerCheck judges the last answer
of a case, EveryTurnCheck each of its answers. Its module ends with `CHECK = …()`, and CHECKS in __init__.py
lists the module. Conversations of a case:

    "with history"      the turns one after the other, each sent with the server's own earlier answers
    "without history"   the last turn alone (only for the checks that plan it)
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

from orchestrator.metrics import METRICS
from orchestrator.results import Sentence, Transcript, Turn, Verdict, in_chinese, joined

WITH_HISTORY = "with history"
WITHOUT_HISTORY = "without history"

SHOWN = 120
DEFAULT_METRIC = "chrf"
NOT_ASKED = Sentence("it was not asked", "没有提问")
NOT_JUDGED = Sentence(
    "not judged: the recipe does not say what the answer must be (expect)",
    "未评判：配方没有写明回答应是什么（expect）",
)

Argument = TypeVar("Argument")
# Whether the check passed, and why.
Result = tuple[bool, Sentence]


# A tool that the model may call, in OpenAI's shape: {"type", "function": {"name", "parameters"}}.
Tool = Mapping[str, Any]


class LikenessArgument(TypedDict):
    """The threshold of a comparison by metric: `least` from 0 to 1."""

    least: float
    by: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Case:
    """One entry of a recipe's `verify.checks`, or one paraphrase of a dataset.

    Attributes:
        id: "checks[2]", "paraphrases[0]".
        ask: the user's turns; at least one.
        expect: check name → its argument.
        seed: of every request of the case; 0 for none.
        tools: that the model may call. results: what calls return, in order: after a call, the model is
            asked again with its result.
    """

    id: str
    ask: tuple[str, ...]
    system: str = ""
    expect: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0
    tools: tuple[Tool, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetCase:
    """An entry of a recipe's `verify.checks` that selects rows of the data: one Case per row.

    Attributes:
        system: as of Case; "" leaves each row its own.
        part: "train", "validation" or "test".
        limit: the largest number of rows, evenly spread; None for all.
    """

    id: str
    part: str
    datasets: tuple[str, ...]
    limit: int | None = None
    system: str = ""
    expect: Mapping[str, object] = field(default_factory=dict)
    tools: tuple[Tool, ...] = ()
    results: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptPlan:
    """A conversation that a check needs.

    Attributes:
        purpose: its name among the conversations of the case.
        turns: the user's turns, oldest first.
        streamed: send every request a second time with stream=true.
    """

    purpose: str
    turns: tuple[str, ...]
    system: str = ""
    streamed: bool = False
    seed: int = 0
    tools: tuple[Tool, ...] = ()
    results: tuple[str, ...] = ()


class Check(ABC, Generic[Argument]):
    """A check. `argument` is the value that a recipe gives under its name."""

    name: str

    def problem(self, argument: object) -> str | None:
        """What is wrong with the argument in a recipe, or None. By default a check takes none: `true`."""
        return None if argument is True or argument is None else "takes no argument; write true"

    def prompts(self, case: Case, argument: Argument) -> tuple[PromptPlan, ...]:
        """The conversations that the check needs; by default the case's own."""
        return whole(case)

    @abstractmethod
    def judge(self, case: Case, argument: Argument, transcripts: Sequence[Transcript]) -> Verdict:
        """The verdict on the case's transcripts."""


class LastAnswerCheck(Check[Argument]):
    """A check of the last answer's text. An empty answer fails, with the reason why it is empty."""

    @abstractmethod
    def result(self, turn: Turn, argument: Argument) -> Result:
        """Whether the answer passes, and why; turn.content is not empty."""

    def expected(self, argument: Argument) -> str:
        """What the recipe expects, for display."""
        return ""

    def judge(self, case: Case, argument: Argument, transcripts: Sequence[Transcript]) -> Verdict:
        """Judge the last turn."""
        turn = last_turn(transcripts)
        missing = why_unanswered(turn)
        passed, reason = (False, missing) if turn is None or missing else self.result(turn, argument)
        return verdict(case, self.name, turn, passed=passed, reason=reason, expected=self.expected(argument))


class EveryTurnCheck(Check[Argument]):
    """A check of every answer of a case: it passes if no turn has a fault."""

    @abstractmethod
    def faults(self, question: str, turn: Turn, argument: Argument) -> Iterable[Sentence]:
        """What is wrong with a turn."""

    @abstractmethod
    def success(self, case: Case, argument: Argument) -> Sentence:
        """The reason of a verdict that passes."""

    def expected(self, argument: Argument) -> str:
        """What the recipe expects, for display."""
        return ""

    def judge(self, case: Case, argument: Argument, transcripts: Sequence[Transcript]) -> Verdict:
        """Judge every turn."""
        transcript = transcript_of(transcripts, WITH_HISTORY)
        turns = transcript.turns if transcript else ()
        faults = [] if turns else [NOT_ASKED]
        for number, turn in enumerate(turns, 1):
            question = case.ask[number - 1] if number <= len(case.ask) else ""
            faults += [
                Sentence(f"turn {number}: {fault}", f"第 {number} 轮：{in_chinese(fault)}")
                for fault in self.faults(question, turn, argument)
            ]
        reason = joined(faults) or self.success(case, argument)
        last, expected = last_turn(transcripts), self.expected(argument)
        return verdict(case, self.name, last, passed=not faults, reason=reason, expected=expected)


def whole(case: Case, *, streamed: bool = False) -> tuple[PromptPlan, ...]:
    """The case's conversation as it stands."""
    return (PromptPlan(WITH_HISTORY, case.ask, case.system, streamed),)


def transcript_of(transcripts: Sequence[Transcript], purpose: str) -> Transcript | None:
    """The transcript of one purpose; None if there is none."""
    return next((each for each in transcripts if each.purpose == purpose), None)


def last_turn(transcripts: Sequence[Transcript], purpose: str = WITH_HISTORY) -> Turn | None:
    """The last turn of a purpose; None if there is none."""
    found = transcript_of(transcripts, purpose)
    return found.turns[-1] if found and found.turns else None


def error_of(turn: Turn) -> Sentence:
    """The error of a request that got no answer; "" if there is none."""
    if not turn.error or isinstance(turn.error, Sentence):
        return Sentence(turn.error)
    return Sentence(turn.error, f"请求失败：`{turn.error}`")


def why_unanswered(turn: Turn | None) -> Sentence:
    """Why there is no text to judge; "" if there is one."""
    if turn is None:
        return NOT_ASKED
    if turn.error or turn.content:
        return error_of(turn)
    if turn.tool_calls:
        tool = turn.tool_calls[0]["name"]
        return Sentence(
            f"the answer is a call of {tool or 'a tool'}, not a text",
            f"回答是对 {tool or '工具'} 的调用，不是文本",
        )
    if turn.reasoning:
        shown = quoted(turn.reasoning)
        return Sentence(
            f"the server sent no answer, only thinking: {shown} (check the model's reasoning parser)",
            f"服务器只返回了思考内容，没有回答：{shown}（请确认 reasoning parser 与模型匹配）",
        )
    return Sentence("the answer is empty", "回答为空")


def normal(text: str) -> str:
    """The text in the form in which it is compared: NFC, stripped.

    >>> normal(" 汉堡 ")
    '汉堡'
    """
    return unicodedata.normalize("NFC", text).strip()


def contained(texts: Iterable[str], answer: str) -> list[str]:
    """Those of the texts that occur in an answer; case-sensitive, in NFC."""
    return [text for text in texts if normal(text) in normal(answer)]


def quoted(text: str, limit: int = SHOWN) -> str:
    """The text in quotation marks, cut to `limit` characters.

    >>> quoted("abcdef", 3)
    '"abc…"'
    """
    cut = text.strip()
    return f'"{cut}"' if len(cut) <= limit else f'"{cut[:limit]}…"'


def listed(texts: Iterable[str]) -> str:
    """Texts in quotation marks, separated by commas."""
    return ", ".join(map(quoted, texts))


def question_of(case: Case) -> str:
    """The case's turns on one line."""
    return " → ".join(case.ask)


def answer_of(turn: Turn | None) -> str:
    """The answer for display: the content, else the tool calls, else the thinking in brackets."""
    if turn is None or turn.error:
        return ""
    if turn.content.strip():
        return turn.content.strip()
    if turn.tool_calls:
        return "; ".join(f"{call['name']}({call['arguments']})" for call in turn.tool_calls)
    return f"[thinking] {turn.reasoning.strip()}" if turn.reasoning.strip() else ""


def verdict(
    case: Case, check: str, turn: Turn | None, *, passed: bool | None, reason: str, expected: str = ""
) -> Verdict:
    """A Verdict with the case's question and the turn's answer."""
    return Verdict(case.id, check, passed, question_of(case), answer_of(turn), expected, reason)


def texts_of(argument: str | Sequence[str]) -> tuple[str, ...]:
    """The texts of an argument that is one text or a list of them."""
    return (argument,) if isinstance(argument, str) else tuple(argument)


def text_problem(argument: object) -> str | None:
    """What is wrong with an argument that must be a text, or None."""
    if not isinstance(argument, str):
        return f"must be a text, got {type(argument).__name__}; quote it"
    return None if argument.strip() else "must not be empty"


def list_problem(argument: object, empty: str) -> str | None:
    """What is wrong with an argument that must be a list of texts, or None; `empty` if it has none."""
    if not isinstance(argument, list | tuple) or not argument:
        return empty
    return next((f"[{i}]: {wrong}" for i, each in enumerate(argument) if (wrong := text_problem(each))), None)


def texts_problem(argument: object) -> str | None:
    """What is wrong with an argument that must be a text or a list of texts, or None."""
    if not isinstance(argument, list | tuple):
        return text_problem(argument)
    return list_problem(argument, "must name at least one text")


def likeness(text: str, reference: str, by: str) -> float:
    """The similarity of two texts by a metric, from 0 to 1."""
    return METRICS[by].score(normal(text), normal(reference)) / 100


def likeness_result(text: str, reference: str, argument: LikenessArgument) -> Result:
    """Whether two texts are similar enough, with the score."""
    by = argument.get("by", DEFAULT_METRIC)
    score, least = likeness(text, reference, by), argument["least"]
    return score >= least, Sentence(
        f"{by} {score:.2f} (at least {least:g} required)", f"{by} {score:.2f}（至少需要 {least:g}）"
    )


def likeness_problem(argument: Mapping[str, object]) -> str | None:
    """What is wrong with `least` and `by`, or None."""
    if wrong := share_problem(argument["least"]):
        return f"least: {wrong}"
    known = argument.get("by", DEFAULT_METRIC) in METRICS
    return None if known else f"by: must be one of {', '.join(METRICS)}"


def share_problem(argument: object) -> str | None:
    """What is wrong with an argument that must be a share, or None."""
    if isinstance(argument, bool) or not isinstance(argument, int | float) or not 0 < argument <= 1:
        return "must be a share above 0 and at most 1"
    return None
