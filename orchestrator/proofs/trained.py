"""A row as it is trained, for the proofs that read rows one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainedRow:
    """One row that LLaMA-Factory trains.

    Attributes:
        where: file:line of the row in its data set.
        ids: all its token ids, after cutoff_len.
        turns: the trained answers, {"turn", "start", "end"}: ids[start:end] carry the loss.
        lost: what cutoff_len took, None when it took nothing: {"tokens", "turns": [{"turn", "context",
            "labels", "thought_open"}]}, in tokens.
        messages: the conversation, {"role", "content"}; empty where the proof does not read it.
    """

    where: str
    ids: Sequence[int]
    turns: Sequence[Mapping[str, Any]]
    lost: Mapping[str, Any] | None = None
    messages: Sequence[Mapping[str, str]] = ()

    def losses(self) -> dict[int, Mapping[str, Any]]:
        """Answer number → what cutoff_len took of it and of its prompt."""
        return {loss["turn"]: loss for loss in self.lost["turns"]} if self.lost else {}


def answer_name(turn: int) -> str:
    """An answer as a person counts it.

    >>> answer_name(0)
    'answer 1'
    """
    return f"answer {turn + 1}"
