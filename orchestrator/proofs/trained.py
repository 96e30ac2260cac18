"""Token ids of trained rows: the types of the probes' JSON lines, and a row for the proofs that read rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from orchestrator.results import Sentence, in_chinese

Message = Mapping[str, str]


class Reading(TypedDict):
    """How a tokenizer reads a text: its ids, and what they decode to."""

    text: str
    ids: list[int]
    decoded: str


class SpecialTokens(TypedDict):
    """The ids of begin- and end-of-sentence."""

    bos_token_id: int | None
    eos_token_id: int | None


class RoundTrip(TypedDict):
    """The texts that a tokenizer does not decode to themselves: {"text", "decoded"}."""

    ok: bool
    failures: list[dict[str, str]]


class ReadingHeader(SpecialTokens):
    """The header of both probes' files. published: special tokens before the training template set them."""

    tokenizer: str
    versions: Mapping[str, str]
    round_trip: RoundTrip
    texts: list[Reading]
    published: NotRequired[SpecialTokens]


class RowCounts(TypedDict):
    """Rows of a dataset that LLaMA-Factory's loader read and kept."""

    rows: int
    kept: int


class TrainHeader(ReadingHeader):
    """The header of training_ids.jsonl: the training settings and the loader's counts."""

    template: str
    thinking: bool | None
    mask_history: bool
    cutoff_len: int
    datasets: Mapping[str, RowCounts]


class ServeHeader(ReadingHeader):
    """The header of serving_ids.jsonl."""

    template_sha256: str


class TurnIds(TypedDict):
    """A trained answer: ids[start:end] carry the loss; `cut` if cutoff_len cut its context."""

    turn: int
    start: int
    end: int
    cut: bool


class TurnLoss(TypedDict):
    """Tokens that cutoff_len removed from an answer (labels) and from its prompt (context)."""

    turn: int
    context: int
    labels: int
    thought_open: bool


class RowLoss(TypedDict):
    """What cutoff_len removed from a row, in tokens."""

    tokens: int
    turns: list[TurnLoss]


class RowIds(TypedDict):
    """A line of training_ids.jsonl; `uncovered` names tools or media, "" without; `liked`: of kto."""

    dataset: str
    row: int
    ids: list[int]
    turns: list[TurnIds]
    cut: bool
    lost: RowLoss | None
    held_out: bool
    uncovered: str
    liked: NotRequired[bool]


@dataclass(frozen=True, slots=True)
class TrainedRow:
    """One row that LLaMA-Factory trains: its ids after cutoff_len, and its trained answers.

    Attributes:
        lost: what cutoff_len removed, None if nothing.
        messages: the conversation; empty if the proof does not read it.
    """

    where: str
    ids: Sequence[int]
    turns: Sequence[TurnIds]
    lost: RowLoss | None = None
    messages: Sequence[Message] = ()

    def losses(self) -> dict[int, TurnLoss]:
        """Answer number → what cutoff_len removed from it and from its prompt."""
        return {loss["turn"]: loss for loss in self.lost["turns"]} if self.lost else {}


def answer_name(turn: int) -> Sentence:
    """An answer, counted from 1.

    >>> answer_name(0), answer_name(0).zh
    ('answer 1', '第 1 个回答')
    """
    return Sentence(f"answer {turn + 1}", f"第 {turn + 1} 个回答")


def left_out(reasons: Mapping[str, int]) -> list[Sentence]:
    """What a proof does not cover: the number and the reason, for each reason that applies."""
    return [
        Sentence(f"{number} {reason}", f"{number} {in_chinese(reason)}")
        for reason, number in reasons.items()
        if number
    ]
