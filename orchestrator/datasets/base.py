"""The socket of a format: one raw shape of rows, read as conversations. Pure.

A format is a module with a `name`, `purpose`, `shape`, `columns`, `sniff` and `read`;
`orchestrator.datasets.FORMATS` is the board. It reads shapes and types only: what is wrong with a
conversation whatever shape it came in (order of roles, empty turns, control tokens) is faults.py's work.
Text is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Row = Mapping[str, Any]
Message = dict[str, str]
Conversation = list[Message]

# What a row is good for, in the words of LLaMA-Factory's `stage`.
SFT, DPO, KTO, PT = "sft", "dpo", "kto", "pt"

SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
OBSERVATION, FUNCTION_CALL = "observation", "function_call"

SHOWN = 80


@dataclass(frozen=True, slots=True)
class Pair:
    """A row of purpose "dpo": what was asked, ending with a question, and a better and a worse answer."""

    prompt: Conversation
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class KtoExample:
    """A row of purpose "kto": a conversation, and whether its last answer is a good one."""

    conversation: Conversation
    good: bool


@dataclass(frozen=True, slots=True)
class Text:
    """A row of purpose "pt": a document to learn from as it is."""

    text: str


Example = Conversation | Pair | KtoExample | Text


class RowProblem(Exception):
    """Why a row cannot be trained as it stands.

    Attributes:
        kind: a short stable name, by which rows are counted.
        what: one sentence, with the offending text cut and escaped.
        hint: the edit that fixes it.
        inside, column: the object of the row that holds the offending value, and under which key; None and
            "" when it is no single value. They are what a repair changes (fix_row.py).
    """

    def __init__(
        self, kind: str, what: str, hint: str = "", *, inside: Row | None = None, column: str = ""
    ) -> None:
        super().__init__(what)
        self.kind, self.what, self.hint = kind, what, hint
        self.inside, self.column = inside, column


class FileProblem(RowProblem):
    """Why a file is not read on from here. How many rows are lost is not known: they cannot be dropped."""


class Format(Protocol):
    """What a module of this room offers."""

    name: str
    purpose: str
    shape: str
    columns: Mapping[str, str]

    def sniff(self, row: Row, /) -> bool:
        """Whether a row is of this shape."""

    def read(self, row: Row, columns: Mapping[str, str], /) -> Example:
        """The row as what its purpose says: a conversation (sft), Pair (dpo), Labelled (kto) or Text (pt).

        Args:
            row: the JSON object.
            columns: what each part is called in this file; every key of the format's own `columns`.

        Raises:
            RowProblem: the row is of another shape or has a value of a wrong type.
        """


def read_conversation(row_format: Format, row: Row, columns: Mapping[str, str]) -> Conversation:
    """A row of purpose "sft".

    Raises:
        RowProblem: as `read`; and when the format's rows are of another purpose.
    """
    example = row_format.read(row, columns)
    if not isinstance(example, list):
        what = f"a row of {row_format.name} is for {row_format.purpose}, not a conversation"
        raise RowProblem("purpose", what, "name a data set of conversations")
    return example


def excerpt(value: object) -> str:
    r"""A value for a message: cut, escaped, on one line.

    >>> excerpt("a\nb")
    '"a\\nb"'
    """
    text = value if isinstance(value, str) else _written(value)
    text = text[:SHOWN] + "…" if len(text) > SHOWN else text
    shown = text if text.isprintable() else "".join(map(_visible, text))
    return f'"{shown}"' if isinstance(value, str) else shown


def _written(value: object) -> str:
    try:
        return repr(value)
    except RecursionError:
        return f"{type_name(value)} that is nested a thousand times"


def _visible(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def type_name(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "a value")


def required_text(row: Row, column: str) -> str:
    """The text in a column that every row must have."""
    if column not in row:
        keys = ", ".join(list(row)[:8]) or "none"
        hint = f'give the row "{column}", or say what it is called here under `columns:`'
        raise RowProblem("missing key", f'there is no "{column}" (keys: {keys})', hint)
    value = row[column]
    if not isinstance(value, str):
        raise _not_text(row, column)
    return value


def optional_text(row: Row, column: str) -> str:
    """The text in a column that may be absent or null, which count as empty."""
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _not_text(row, column)
    return value


def required_list(row: Row, column: str, shape: str, what: str) -> list[Any]:
    """The list in a column that every row must have; `shape`: of a row; `what`: its items, in the plural."""
    value = row.get(column)
    if isinstance(value, list):
        return value
    hint = f"write a list of {what}"
    if isinstance(value, str) and value.lstrip().startswith("["):
        said = f'"{column}" is a list that is written as text: {excerpt(value)}'
        raise RowProblem("list as text", said, hint, inside=row, column=column)
    found = f'"{column}" is {type_name(value)}' if column in row else f'there is no "{column}"'
    raise RowProblem("shape", f"{found}: a row is {shape}", hint)


def with_thought(row: Row, column: str, answer: str) -> str:
    r"""An answer and the thought that stands beside it, as LLaMA-Factory spells the two.

    >>> with_thought({"cot": "想\n"}, "cot", "答")
    '<think>\n想\n</think>\n\n答'
    """
    thought = optional_text(row, column)
    if not thought:
        return answer
    if "<think>" in answer or "</think>" in answer:
        what = f'there is a thought both in "{column}" and in the answer: {excerpt(answer)}'
        raise RowProblem("thought", what, "leave one of them")
    thought, answer = thought.strip("\n"), answer.lstrip("\n")
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def single_turn(row: Row, columns: Mapping[str, str]) -> Conversation:
    """One question and one answer: the columns `prompt` and `response`, and `thought` where there is one."""
    answer = required_text(row, columns["response"])
    if "thought" in columns:
        answer = with_thought(row, columns["thought"], answer)
    question = required_text(row, columns["prompt"])
    return [{"role": USER, "content": question}, {"role": ASSISTANT, "content": answer}]


def refuse_unread(row: Row, *columns: str) -> None:
    """Refuse a row that holds something this format would silently leave untrained."""
    for column in columns:
        if row.get(column):
            what = f'"{column}" is not read, and would be lost: {excerpt(row[column])}'
            raise RowProblem("unread " + column, what, f'delete "{column}" if it may be lost')


def _not_text(row: Row, column: str) -> RowProblem:
    value = row[column]
    kind = "null" if value is None else "not text"
    hint = "put it in quotes" if isinstance(value, bool | int | float) else "write text"
    what = f'"{column}" is {type_name(value)}, not text: {excerpt(value)}'
    return RowProblem(kind, what, hint, inside=row, column=column)
