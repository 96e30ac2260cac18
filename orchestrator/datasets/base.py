"""The values of this room: a raw row, the example that a format reads from it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
Message = dict[str, str]
Conversation = list[Message]

# The purpose of a row, named as LLaMA-Factory's `stage`.
SFT, DPO, KTO, PT = "sft", "dpo", "kto", "pt"

# What rows of a purpose are, and the training kind that trains them.
PURPOSES: Mapping[str, tuple[str, str]] = {
    SFT: ("conversations", "sft"),
    DPO: ("pairs of a better and a worse answer", "dpo"),
    KTO: ("liked and disliked answers", "kto"),
    PT: ("documents", "pretrain"),
}

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
OBSERVATION, FUNCTION_CALL = "observation", "function_call"
# Of a text, which nobody says.
DOCUMENT = "document"
# The first message of a conversation with tools: their list, as JSON (tool_rows.py).
TOOLS = "tools"

SHOWN = 80


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of purpose "dpo": a prompt that ends with a question, and a better and a worse answer."""

    prompt: Conversation
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class KtoExample:
    """A row of purpose "kto": a conversation, and whether its last answer is good."""

    conversation: Conversation
    good: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A row of purpose "pt": one document."""

    text: str


Example = Conversation | Pair | KtoExample | Text


def messages_of(example: Example) -> Conversation:
    """The messages of an example of any purpose; of a pair, the better answer; of a text, a "document"."""
    if isinstance(example, list):
        return example
    if isinstance(example, Pair):
        return [*example.prompt, {"role": ASSISTANT, "content": example.chosen}]
    if isinstance(example, KtoExample):
        return example.conversation
    return [{"role": DOCUMENT, "content": example.text}]


def mapped(example: Example, change: Callable[[Conversation], Conversation]) -> Example:
    """An example of any purpose whose messages were changed; of a pair, with each answer in turn.

    A change that would leave a pair without one of its answers, or with two prompts, is not made.
    """
    if isinstance(example, list):
        return change(example)
    if isinstance(example, Pair):
        sides = (example.chosen, example.rejected)
        better, worse = (change([*example.prompt, {"role": ASSISTANT, "content": side}]) for side in sides)
        whole = better[:-1] == worse[:-1] and better[-1]["role"] == worse[-1]["role"] == ASSISTANT
        return Pair(better[:-1], better[-1]["content"], worse[-1]["content"]) if whole else example
    if isinstance(example, KtoExample):
        return KtoExample(change(example.conversation), example.good)
    return Text(change(messages_of(example))[0]["content"])


class RowProblem(Exception):
    """Why a row cannot be trained as it is.

    Attributes:
        kind: a short stable name, by which rows are counted.
        what: one sentence; the offending text is cut and escaped.
        hint: how to fix it.
        inside, column: the object that holds the offending value, and its key; None and "" if no single value
            is at fault. A repair changes this value (repairs.fix_row).
    """

    def __init__(
        self, kind: str, what: str, hint: str = "", *, inside: Row | None = None, column: str = ""
    ) -> None:
        super().__init__(what)
        self.kind, self.what, self.hint = kind, what, hint
        self.inside, self.column = inside, column


class FileProblem(RowProblem):
    """Why a file cannot be read any further; unlike a row, the rest of a file cannot be dropped."""


def excerpt(value: object) -> str:
    r"""A value for a message: cut, escaped, on one line.

    >>> excerpt("a\nb")
    '"a\\nb"'
    """
    text = value if isinstance(value, str) else _repr(value)
    text = text[:SHOWN] + "…" if len(text) > SHOWN else text
    shown = text if text.isprintable() else "".join(map(_escaped, text))
    return f'"{shown}"' if isinstance(value, str) else shown


def _repr(value: object) -> str:
    try:
        return repr(value)
    except RecursionError:
        return f"{type_name(value)} that is nested too deeply"


def _escaped(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def keys_of(row: Row) -> str:
    """The first keys of a row, for a message."""
    return ", ".join(list(row)[:8]) or "none"


def type_name(value: object) -> str:
    """The type of a JSON value, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "a value")
