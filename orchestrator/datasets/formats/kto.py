"""kto: a row of alpaca, sharegpt, openai or question and answer, with "kto_tag" or "label": true or false.

Also TRL's, whose `prompt` and `completion` are lists of messages.

The label says whether the last answer is a good one. LLaMA-Factory drops every row whose label is anything
but JSON's true or false; a number or a word is refused here, and can be repaired.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.datasets.base import (
    KTO,
    Conversation,
    Format,
    KtoExample,
    Row,
    RowProblem,
    excerpt,
    refuse_unread,
    type_name,
)
from orchestrator.datasets.formats import alpaca, openai, question_answer, sharegpt
from orchestrator.datasets.turns import messages_in, read_turns

name = "kto"
purpose = KTO
shape = '{"instruction": "…", "input": "…", "output": "…", "kto_tag": true}'
columns: Mapping[str, str] = {
    **openai.columns,
    **alpaca.columns,
    "label": "kto_tag",
}

# A `label` may be anything; these say good or bad.
_TRUTHS = frozenset({"true", "false", "0", "1"})


def sniff(row: Row) -> bool:
    """Whether it has a label, and a conversation of a shape that is known."""
    return bool(_label(row)) and "chosen" not in row and _inner(row) is not None


def resolve(row: Row) -> Mapping[str, str]:
    """What the parts are called in a file with rows like this one."""
    label = _label(row)
    found = {"label": label} if label else {}
    inner = _inner(row)
    if inner is question_answer:
        parts = question_answer.resolve(row)
        return {**found, **{part: key for part, key in parts.items() if part in columns}}
    return {**found, **messages_in(row)}


def read(row: Row, columns: Mapping[str, str]) -> KtoExample:
    """The conversation as its own shape is read, and its label."""
    label = row.get(columns["label"])
    if not isinstance(label, bool):
        raise _not_a_label(row, columns["label"])
    return KtoExample(_conversation(row, columns), good=label)


def _conversation(row: Row, columns: Mapping[str, str]) -> Conversation:
    if columns["messages"] in row:
        return sharegpt.read(row, columns)
    if isinstance(row.get(columns["prompt"]), list):
        refuse_unread(row, "tools", "images", "videos", "audios")
        sides = ({**columns, "messages": columns[part]} for part in ("prompt", "response"))
        return [message for side in sides for message in read_turns(row, side, shape)]
    return alpaca.read(row, columns)


def _label(row: Row) -> str:
    if "kto_tag" in row:
        return "kto_tag"
    label = row.get("label")
    return "label" if isinstance(label, bool | int | str) and str(label).casefold() in _TRUTHS else ""


def _inner(row: Row) -> Format | None:
    """How the row would be read without its label."""
    inner: tuple[Any, ...] = (sharegpt, openai, alpaca, question_answer)
    return next((one for one in inner if one.sniff(row)), None)


def _not_a_label(row: Row, column: str) -> RowProblem:
    if column not in row:
        return RowProblem("missing key", f'there is no "{column}"', "write whether the answer is a good one")
    value = row[column]
    what = f'"{column}" is {type_name(value)}, not true or false: {excerpt(value)}'
    hint = "write true or false without quotes; where it is no judgement of the answer, name another --format"
    return RowProblem("label", what, hint, inside=row, column=column)
