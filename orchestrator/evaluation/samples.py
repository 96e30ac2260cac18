"""Samples: a row's last answer is the reference, the turns before it are the question. Pure.

As LLaMA-Factory's do_predict makes them (data/processor/unsupervised.py of 0.9.5): one sample per row, the
earlier answers as they are in the data. Only conversations that end in an answer to a user make a sample, not
rows that end in a tool call or in the answer to a tool's result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

_THOUGHT = re.compile(r"\s*(?:<think>)?(.*?)</think>(.*)", re.DOTALL)


# A message: "role" and "content".
Message = Mapping[str, str]


class ConversationRow(TypedDict):
    """A row of conversations.jsonl."""

    dataset: str
    row: int
    messages: list[Message]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One question with its reference.

    Attributes:
        dataset, row: the source; rows count from 1 in the original file.
        messages: the conversation before the answer, oldest first.
        label: the reference without its thinking.
        label_thinking: the reference's thinking, "" for none.
    """

    dataset: str
    row: int
    messages: tuple[Message, ...]
    label: str
    label_thinking: str = ""

    @property
    def question(self) -> str:
        """The user's last message."""
        return self.messages[-1]["content"]

    @property
    def reference(self) -> str:
        """The whole last answer, with its thinking as LLaMA-Factory's templates write it."""
        return joined(self.label_thinking, self.label)


def sample_of(row: ConversationRow) -> Prediction | None:
    """The sample of a row; None if it does not end in an answer to a user."""
    *before, last = row["messages"] or [{"role": "", "content": ""}]
    if last["role"] != "assistant" or not before or before[-1]["role"] != "user":
        return None
    if not {message["role"] for message in before} <= {"system", "user", "assistant"}:
        return None
    thinking, label = parted(last["content"])
    messages = tuple({"role": each["role"], "content": each["content"]} for each in before)
    return Prediction(row["dataset"], row["row"], messages, label, thinking)


def parted(text: str) -> tuple[str, str]:
    r"""(thinking, answer) of a text.

    >>> parted("<think>\n嗯\n</think>\n\n好")
    ('嗯', '好')
    >>> parted(" 好。")
    ('', ' 好。')
    """
    found = _THOUGHT.fullmatch(text)
    return (found[1].strip(), found[2].lstrip("\n")) if found else ("", text)


def joined(thinking: str, answer: str) -> str:
    r"""Thinking and answer as one text, as LLaMA-Factory's templates join them.

    >>> joined("嗯", "好"), joined("", "好")
    ('<think>\n嗯\n</think>\n\n好', '好')
    """
    return f"<think>\n{thinking}\n</think>\n\n{answer}" if thinking else answer


def spread(count: int, limit: int) -> Sequence[int]:
    """The indices of at most `limit` of `count` rows, evenly spread.

    >>> list(spread(10, 3)), list(spread(2, 5))
    ([0, 3, 6], [0, 1])
    """
    if count <= limit:
        return range(count)
    return [number * count // limit for number in range(limit)]


def chosen(rows: Iterable[ConversationRow], names: frozenset[str]) -> Iterable[Prediction | None]:
    """The samples of the named datasets; None for each row that makes none."""
    return (sample_of(row) for row in rows if row["dataset"] in names)
