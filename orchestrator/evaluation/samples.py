"""Samples: a row's last answer as the reference, what stands before it as the question. Pure.

As LLaMA-Factory's do_predict takes them (data/processor/unsupervised.py of 0.9.5): one sample a row, its last
answer, the earlier ones as they are in the data. Covered: conversations that end in an answer to a user. Not
covered: rows that end in a tool's call, or whose last question is a tool's; they are counted as left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_THOUGHT = re.compile(r"\s*(?:<think>)?(.*?)</think>(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question with its reference.

    Attributes:
        dataset, row: where it comes from; the row counts from 1 in the file as given.
        messages: the conversation before the answer, oldest first: {"role", "content"}.
        label: the reference without its thought.
        label_thinking: the reference's thought, "" for none.
    """

    dataset: str
    row: int
    messages: tuple[Mapping[str, str], ...]
    label: str
    label_thinking: str = ""

    @property
    def question(self) -> str:
        """The last thing that the user says."""
        return self.messages[-1]["content"]

    @property
    def reference(self) -> str:
        """The whole last answer, its thought as LLaMA-Factory's templates spell it."""
        return joined(self.label_thinking, self.label)


def sample_of(row: Mapping[str, Any]) -> Prediction | None:
    """A sample from {"dataset", "row", "messages"}; None when it does not end in an answer to a user."""
    *before, last = row["messages"] or [{"role": ""}]
    if last["role"] != "assistant" or not before or before[-1]["role"] != "user":
        return None
    if not {message["role"] for message in before} <= {"system", "user", "assistant"}:
        return None
    thinking, label = parted(last["content"])
    sent = tuple({"role": message["role"], "content": message["content"]} for message in before)
    return Prediction(row["dataset"], row["row"], sent, label, thinking)


def parted(text: str) -> tuple[str, str]:
    r"""(thought, answer) of an answer's text.

    >>> parted("<think>\n嗯\n</think>\n\n好")
    ('嗯', '好')
    >>> parted(" 好。")
    ('', ' 好。')
    """
    found = _THOUGHT.fullmatch(text)
    return (found[1].strip(), found[2].lstrip("\n")) if found else ("", text)


def joined(thinking: str, answer: str) -> str:
    r"""A thought and an answer as one text, as LLaMA-Factory's templates join them.

    >>> joined("嗯", "好"), joined("", "好")
    ('<think>\n嗯\n</think>\n\n好', '好')
    """
    return f"<think>\n{thinking}\n</think>\n\n{answer}" if thinking else answer


def spread(count: int, limit: int) -> Sequence[int]:
    """The places of at most `limit` of `count` rows, evenly spread; the same every time.

    >>> list(spread(10, 3)), list(spread(2, 5))
    ([0, 3, 6], [0, 1])
    """
    if count <= limit:
        return range(count)
    return [number * count // limit for number in range(limit)]


def chosen(rows: Iterable[Mapping[str, Any]], names: frozenset[str]) -> Iterable[Prediction | None]:
    """The samples of the named data sets among conversations; None for each row that makes none."""
    return (sample_of(row) for row in rows if row["dataset"] in names)
