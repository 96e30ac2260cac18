"""What a data format is, and how formats read the columns of a row.

A format is a module of this package with the members of `Format`. It checks shapes and types only; faults of
a conversation that do not depend on its format (order of roles, empty turns, control tokens) are found by
faults.py. Text is never changed.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import Any, Protocol

from orchestrator.datasets.base import (
    ASSISTANT,
    SYSTEM,
    USER,
    Conversation,
    Example,
    Message,
    Row,
    RowProblem,
    excerpt,
    keys_of,
    type_name,
)

Columns = Mapping[str, str]

MEDIA = ("image", "images", "video", "videos", "audio", "audios")
ANSWERS = ("chosen", "rejected")
MEDIA_HINT = (
    "Conch trains on text: a picture would need a base model that sees, its image processor in training and "
    "in serving, and a proof of equal image tokens; delete such rows, or the pictures if the text makes "
    "sense without them"
)
PAIRS = 'write [["question", "answer"], …]'


class Format(Protocol):
    """The members of a format module.

    Attributes:
        name: the module's name.
        purpose: what its rows are for: SFT, DPO, KTO or PT.
        shape: an example row, as JSON.
        columns: each part of a row → its usual column name.
    """

    name: str
    purpose: str
    shape: str
    columns: Columns

    def sniff(self, row: Row, /) -> bool:
        """Whether a row has this format."""

    def resolve(self, row: Row, /) -> Columns:
        """Column names in a file with rows like this one that differ from the usual ones.

        Formats whose columns have one name only set `resolve = no_other_names`.
        """

    def read(self, row: Row, columns: Columns, /) -> Example:
        """Read a row.

        Args:
            row: the JSON object.
            columns: the column name of every part.

        Raises:
            RowProblem: the row has another shape, or a value has the wrong type.
        """


def no_other_names(_: Row) -> Columns:
    """The `resolve` of a format whose columns have one name only."""
    return {}


def read_conversation(row_format: Format, row: Row, columns: Columns) -> Conversation:
    """Read a row of purpose "sft".

    Raises:
        RowProblem: as `read`; or the format has another purpose.
    """
    if media := media_in(row, row):
        raise media
    example = row_format.read(row, columns)
    if not isinstance(example, list):
        what = f"a row of {row_format.name} is for {row_format.purpose}, not a conversation"
        raise RowProblem("purpose", what, "use a dataset of conversations")
    return example


def required_text(row: Row, column: str) -> str:
    """The text in a column that every row must have."""
    if column not in row:
        hint = f'add "{column}" to the row, or map the column under `columns:`'
        raise RowProblem("missing key", f'no "{column}" (keys: {keys_of(row)})', hint)
    value = row[column]
    if not isinstance(value, str):
        raise _not_text(row, column)
    return value


def optional_text(row: Row, column: str) -> str:
    """The text in an optional column; "" if it is absent or null."""
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _not_text(row, column)
    return value


def _not_text(row: Row, column: str) -> RowProblem:
    value = row[column]
    kind = "null" if value is None else "not text"
    hint = "put it in quotes" if isinstance(value, bool | int | float) else "write text"
    what = f'"{column}" is {type_name(value)}, not text: {excerpt(value)}'
    return RowProblem(kind, what, hint, inside=row, column=column)


def required_list(row: Row, column: str, shape: str, items: str) -> list[Any]:
    """The list in a column that every row must have.

    Args:
        row: the JSON object.
        column: of the list.
        shape: an example row, for messages.
        items: what the list contains, in the plural, for messages.
    """
    value = row.get(column)
    if isinstance(value, list):
        return value
    hint = f"write a list of {items}"
    if isinstance(value, str) and value.lstrip().startswith("["):
        what = f'"{column}" is a list written as text: {excerpt(value)}'
        raise RowProblem("list as text", what, hint, inside=row, column=column)
    found = f'"{column}" is {type_name(value)}' if column in row else f'no "{column}"'
    raise RowProblem("shape", f"{found}: a row is {shape}", hint)


def media_problem(what: str, value: object) -> RowProblem:
    """Why a row with a picture, a film or a sound is refused, and what would be needed."""
    return RowProblem("image", f"{what} is an image, a video or audio: {excerpt(value)}", MEDIA_HINT)


def media_in(row: Row, keys: Container[str]) -> RowProblem | None:
    """The problem of a row that has a picture, a film or a sound under one of these keys."""
    column = next((key for key in MEDIA if key in keys and row[key]), "")
    return media_problem(f'"{column}" of the row', row[column]) if column else None


def refuse_unread(row: Row, *columns: str) -> None:
    """Refuse a row with values in columns that this format does not read."""
    for column in columns:
        if row.get(column):
            what = f'"{column}" is not read and would be lost: {excerpt(row[column])}'
            raise RowProblem("unread " + column, what, f'delete "{column}" if you do not need it')


def system_of(row: Row, columns: Columns) -> Conversation:
    """The system prompt of a row as the first message; [] if there is none."""
    system = optional_text(row, columns["system"])
    return [{"role": SYSTEM, "content": system}] if system else []


def with_thought(row: Row, column: str, answer: str) -> str:
    r"""An answer with the thought in a column, written as LLaMA-Factory writes the two.

    >>> with_thought({"cot": "想\n"}, "cot", "答")
    '<think>\n想\n</think>\n\n答'
    """
    thought = optional_text(row, column)
    if not thought:
        return answer
    if "<think>" in answer or "</think>" in answer:
        what = f'a thought both in "{column}" and in the answer: {excerpt(answer)}'
        raise RowProblem("thought", what, "keep one of them")
    thought, answer = thought.strip("\n"), answer.lstrip("\n")
    return f"<think>\n{thought}\n</think>\n\n{answer}"


def single_turn(row: Row, columns: Columns) -> Conversation:
    """One question and one answer: the columns `prompt`, `response`, and `thought` if the format has it."""
    answer = required_text(row, columns["response"])
    if "thought" in columns:
        answer = with_thought(row, columns["thought"], answer)
    question = required_text(row, columns["prompt"])
    return [{"role": USER, "content": question}, {"role": ASSISTANT, "content": answer}]


def instruction_prompt(row: Row, columns: Columns) -> Conversation:
    """System prompt, history and last question of a row with `prompt`, `query`, `history` and `system`.

    The question is the prompt, followed by the query on the next line: LLaMA-Factory's rule for alpaca.
    """
    messages = system_of(row, columns)
    parts = [required_text(row, columns["prompt"]), optional_text(row, columns["query"])]
    try:
        messages += _history(row.get(columns["history"]))
    except RowProblem as problem:
        problem.inside, problem.column = row, columns["history"]
        raise
    messages.append({"role": USER, "content": "\n".join(part for part in parts if part)})
    return messages


def _history(value: object) -> Iterator[Message]:
    """The earlier turns; pairs only (LLaMA-Factory trains `["你好", "您好"]` as single characters)."""
    if value is None or value == "":  # "" is an empty cell of a table
        return
    if not isinstance(value, list):
        raise RowProblem("history", f"history is {type_name(value)}: {excerpt(value)}", PAIRS)
    for pair in value:
        if not isinstance(pair, list):
            raise _not_a_pair(f"{type_name(pair)}, not a pair", pair)
        if len(pair) != 2:  # noqa: PLR2004
            raise _not_a_pair(f"a list of {len(pair)}, not a pair", pair)
        for role, text in zip((USER, ASSISTANT), pair, strict=True):
            if not isinstance(text, str):
                raise _not_a_pair(f"{type_name(text)} instead of text", pair)
            yield {"role": role, "content": text}


def _not_a_pair(what: str, pair: object) -> RowProblem:
    return RowProblem("history", f"history contains {what}: {excerpt(pair)}", PAIRS)
