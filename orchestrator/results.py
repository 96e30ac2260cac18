"""Results as values: StageResult, Turn, Transcript, Verdict, Proof, Report; all output folds over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, Self, TypedDict, TypeVar

EN, ZH = "en", "zh"
_ZH = "_zh"
_Value = TypeVar("_Value")


class Sentence(str):
    """A sentence of a report in both languages: the text is English, `zh` is the Chinese version.

    Write both where the sentence is decided: `Sentence(f"…", f"…")`. In JSON, json_of() writes the Chinese
    beside the English as KEY_zh.
    """

    __slots__ = ("zh",)
    zh: str

    def __new__(cls, en: str = "", zh: str = "") -> Self:
        """Omit `zh` for text that needs no translation: a name, a number, the user's own words."""
        sentence = super().__new__(cls, en)
        sentence.zh = zh or getattr(en, "zh", en)
        return sentence


def in_chinese(text: str) -> str:
    """The Chinese of a Sentence; any other text as it is."""
    return text.zh if isinstance(text, Sentence) else text


def joined(parts: Iterable[str], en: str = "; ", zh: str = "；") -> Sentence:
    """The parts that are not empty as one Sentence, with a separator of each language between them.

    >>> joined([Sentence("a row", "一行"), "", Sentence("a turn", "一轮")]).zh
    '一行；一轮'
    """
    filled = [part for part in parts if part]
    return Sentence(en.join(filled), zh.join(map(in_chinese, filled)))


def json_of(value: object) -> Any:
    """A value of dataclasses, mappings and sequences as JSON: beside KEY of a Sentence stands KEY_zh.

    >>> json_of({"detail": Sentence("no row", "没有数据行")})
    {'detail': 'no row', 'detail_zh': '没有数据行'}
    """
    if is_dataclass(value) and not isinstance(value, type):
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, Mapping):
        found = {}
        for key, one in value.items():
            found[key] = json_of(one)
            if (chinese := _chinese(one)) is not None:
                found[f"{key}_zh"] = chinese
        return found
    if isinstance(value, list | tuple):
        return [json_of(one) for one in value]
    return str(value) if isinstance(value, Sentence) else value


def from_json(value: Any) -> Any:
    """What json_of wrote: KEY and KEY_zh are one Sentence again.

    >>> from_json({"detail": "no row", "detail_zh": "没有数据行"})["detail"].zh
    '没有数据行'
    """
    if isinstance(value, list):
        return [from_json(one) for one in value]
    if not isinstance(value, dict):
        return value
    found: dict[str, Any] = {}
    for key, one in value.items():
        chinese = value.get(f"{key}_zh")
        if isinstance(chinese, str):
            found[key] = Sentence(one, chinese)
        elif isinstance(chinese, list):
            found[key] = [Sentence(*pair) for pair in zip(one, chinese, strict=True)]
        elif not (key.endswith("_zh") and key.removesuffix("_zh") in value):
            found[key] = from_json(one)
    return found


def _chinese(value: object) -> object:
    """The Chinese of a Sentence, or of a sequence with one; None where there is none."""
    if isinstance(value, Sentence):
        return value.zh if value.zh != value else None
    if isinstance(value, list | tuple) and any(isinstance(one, Sentence) for one in value):
        return [in_chinese(one) for one in value]
    return None


def in_language(value: _Value, language: str) -> _Value:
    """The same JSON value with each KEY in the language: the text of KEY_zh where Chinese is asked for."""
    return _in_language(value, language)  # type: ignore[no-any-return]  # the shape stays


def _in_language(value: Any, language: str) -> Any:
    if isinstance(value, list):
        return [_in_language(item, language) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _in_language(value.get(f"{key}{_ZH}", item) if language == ZH else item, language)
        for key, item in value.items()
        if not key.endswith(_ZH)
    }


class Status(StrEnum):
    """How a stage ended."""

    DONE = "done"
    SKIPPED = "skipped"
    REFUTED = "refuted"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class StageResult:
    """What happened to one stage.

    Attributes:
        exit_code: of the command that ended it; 0 when done or skipped.
        seconds: wall time.
        log: run-relative path of its log, "" when it made none.
        inputs, outputs: run-relative path → "sha256:…".
    """

    stage: str
    status: Status
    reason: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    log: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request to the server and its response.

    Attributes:
        messages: the conversation that was sent, oldest first: {"role", "content"}.
        content: the answer as an OpenAI client sees it; "" if the server sent none.
        reasoning: the thinking part that the server split off; "" if none.
        finish_reason: "stop", "length", … as reported by the server.
        token_ids: generated ids if the server returns them (vLLM's return_token_ids), else ().
        streamed_content, streamed_reasoning, streamed_token_ids: of the same request with stream=true;
            `streamed` is False if that was not sent.
        seconds: wall time of the unstreamed request.
        error: one sentence if no answer came; then everything else is empty.
        tool_calls, streamed_tool_calls: {"name", "arguments"} of each; the arguments are unparsed text.
    """

    messages: tuple[Mapping[str, str], ...]
    content: str = ""
    reasoning: str = ""
    finish_reason: str = ""
    token_ids: tuple[int, ...] = ()
    streamed: bool = False
    streamed_content: str = ""
    streamed_reasoning: str = ""
    streamed_token_ids: tuple[int, ...] = ()
    seconds: float = 0.0
    error: str = ""
    tool_calls: tuple[Mapping[str, str], ...] = ()
    streamed_tool_calls: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """The turns of one conversation of a case."""

    case: str
    purpose: str
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check on one case.

    Attributes:
        case: the case's id ("checks[2]", "paraphrases[0]").
        check: the check's name ("contains"); UNJUDGED for a case without an expectation.
        passed: None if the recipe does not say what the answer must be: the case is not judged.
        question, answer: of the last turn, for display.
        expected: what the recipe expects, as text (a Sentence where it is Conch's own words).
        reason: a Sentence: why the check failed, or what passed.
    """

    case: str
    check: str
    passed: bool | None
    question: str
    answer: str
    expected: str = ""
    reason: str = ""

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of json_of()."""
        return cls(**from_json(dict(row)))


@dataclass(frozen=True, slots=True)
class Sampled:
    """The answers to the recipe's questions as a client that names no sampling value gets them.

    Attributes:
        sampling: a Sentence: how the server then samples.
        required: the share of the answers that must pass, 0 to 1.
        verdicts: of every answer; its case is that of the question, with the number of the repeat.
    """

    sampling: str
    required: float
    verdicts: Sequence[Verdict]

    @property
    def counts(self) -> tuple[int, int]:
        """(answers that passed, answers that were judged)."""
        return passed_of(self.verdicts)

    @property
    def fails(self) -> bool:
        """Whether too few answers passed; if none was judged, the greedy answers say so."""
        passed, judged = self.counts
        return reaches(passed, judged, self.required) is False

    @property
    def words(self) -> Sentence:
        """The figure as text."""
        passed, judged = self.counts
        share, least = f"{passed / max(judged, 1):.1%}", f"{self.required:.1%}"
        zh = in_chinese(self.sampling)
        return Sentence(
            f"{passed} of {judged} sampled answers passed ({share}, at least {least}; {self.sampling})",
            f"{judged} 个采样回答中有 {passed} 个通过（{share}，至少 {least}；{zh}）",
        )

    def to_json(self) -> dict[str, Any]:
        """With the counts, for readers of verdicts.json."""
        passed, judged = self.counts
        found: dict[str, Any] = json_of(self)
        return {**found, "passed": passed, "judged": judged}

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> Self | None:
        """The inverse of to_json(); None of None."""
        if not value:
            return None
        sampling = Sentence(value["sampling"], value.get("sampling_zh", ""))
        return cls(sampling, value["required"], tuple(map(Verdict.from_json, value["verdicts"])))


def reaches(passed: int, judged: int, required: float) -> bool | None:
    """Whether a share reaches what is required, despite rounding; None if nothing was judged."""
    return passed / judged >= required - 1e-9 if judged else None


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof: whether its claim holds, and what it covers.

    Attributes:
        name: one of orchestrator/proofs: "tokenizer", "parity:data", "merge", …
        holds: the claim is true of everything that was covered.
        accepted: it does not hold, and the user accepted that by name.
        covered: a Sentence: what was compared, with numbers.
        numbers: counts.
        detail: a Sentence; the first difference if the proof does not hold.
        hint: a Sentence: what to set or to run; "" if there is nothing to fix.
        not_covered: a Sentence: what the claim does not cover.
        findings: the first findings, each with "what" and, where known, "where" (file:line) and "fix".
    """

    name: str
    holds: bool
    covered: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    detail: str = ""
    accepted: bool = False
    hint: str = ""
    not_covered: str = ""
    findings: tuple[Mapping[str, Any], ...] = ()


class CurveJson(TypedDict):
    """curve.json: `sentence` and `advice` are Sentences, `ended` says why training stopped early."""

    kind: str
    sentence: str
    advice: str
    step: int
    ended: str


class PartJson(TypedDict):
    """One part of target.json."""

    name: str
    required: float
    actual: float | None
    met: bool
    sentence: str
    near: float


class TargetJson(TypedDict):
    """target.json."""

    met: bool
    score: float
    parts: list[PartJson]


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run folder; text, JSON, HTML and exit code are folds over them.

    Attributes:
        general, general_base: the questions of general knowledge; they are only counted.
        sampled: None if the served model is greedy.
        curve: curve.json; None if nothing is trained yet.
        target: target.json; None if the recipe has no target, or nothing is judged yet.
    """

    recipe: str
    headline: str
    runs: Sequence[StageResult] = ()
    verdicts: Sequence[Verdict] = ()
    paraphrases: Sequence[Verdict] = ()
    base_verdicts: Sequence[Verdict] = ()
    proofs: Sequence[Proof] = ()
    general: Sequence[Verdict] = ()
    general_base: Sequence[Verdict] = ()
    sampled: Sampled | None = None
    curve: CurveJson | None = None
    target: TargetJson | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything, JSON-able."""
        found: dict[str, Any] = json_of(self)
        return found | {"sampled": self.sampled and self.sampled.to_json()}

    @property
    def exit_code(self) -> int:
        """4: a stage failed; 5: a check, a proof or the target failed; else 0."""
        if any(run.status is Status.FAILED for run in self.runs):
            return 4
        failed = Outcome.of(self.verdicts).fails or bool(self.sampled and self.sampled.fails)
        return 5 if self.unproven or falls_short(self.target, failed=failed) else 0

    @property
    def unproven(self) -> tuple[str, ...]:
        """The names of the proofs that do not hold and were not accepted."""
        return tuple(proof.name for proof in self.proofs if not proof.holds and not proof.accepted)


def falls_short(target: TargetJson | None, *, failed: bool) -> bool:
    """Whether checks or target are not met.

    Failed checks do not count by themselves if the target says how many of them must pass.

    Args:
        target: target.json, None if the recipe has no target.
        failed: whether the checks fail: Outcome.fails.
    """
    if not target:
        return failed
    counted = any(part["name"] == "checks" for part in target["parts"])
    return (failed and not counted) or not target["met"]


UNJUDGED = "expect"  # the key that such a case lacks


@dataclass(frozen=True, slots=True)
class Outcome:
    """The cases of some verdicts; every count and sign of them comes from here.

    Attributes:
        cases: case → whether it passed: False if one of its verdicts is no; None if there is none, but it is
            not judged; else True.
    """

    cases: Mapping[str, bool | None]

    @classmethod
    def of(cls, verdicts: Iterable[Verdict]) -> Self:
        """The cases in the order of their first verdict."""
        return cls.of_pairs((one.case, one.passed) for one in verdicts)

    @classmethod
    def of_pairs(cls, verdicts: Iterable[tuple[str, bool | None]]) -> Self:
        """The same of (case, passed) pairs.

        >>> Outcome.of_pairs([("a", True), ("a", None), ("b", None), ("b", False)]).cases
        {'a': None, 'b': False}
        """
        cases: dict[str, bool | None] = {}
        for case, passed in verdicts:
            before = cases.get(case, True)
            cases[case] = False if False in (before, passed) else None if None in (before, passed) else True
        return cls(cases)

    @property
    def passed(self) -> int:
        """How many passed."""
        return sum(one is True for one in self.cases.values())

    @property
    def judged(self) -> int:
        """How many passed or failed."""
        return sum(one is not None for one in self.cases.values())

    @property
    def not_judged(self) -> int:
        """How many neither passed nor failed, because the recipe does not say what the answer must be."""
        return len(self.cases) - self.judged

    @property
    def fails(self) -> bool:
        """Whether a case failed, or none of them could."""
        return self.passed < self.judged or bool(self.cases and not self.judged)


def passed_of(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    """(cases that passed, cases that were judged)."""
    outcome = Outcome.of(verdicts)
    return outcome.passed, outcome.judged
