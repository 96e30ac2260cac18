"""huatuo26m_lite: {"questions": "…", "answers": "…"}, Huatuo-26M's lite and encyclopedia files.

Either may be a list, also a list of lists, of one text. A row with several phrasings of a question, or
several answers, is refused: which of them is trained is a person's choice, and none is lost in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.datasets.base import (
    ASSISTANT,
    SFT,
    USER,
    Conversation,
    Row,
    RowProblem,
    excerpt,
    required_text,
)

name = "huatuo26m_lite"
purpose = SFT
shape = '{"questions": "…", "answers": "…"}'
columns: Mapping[str, str] = {"prompt": "questions", "response": "answers"}


def sniff(row: Row) -> bool:
    """Whether it has questions and answers."""
    return "questions" in row and "answers" in row


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The one question and its one answer."""
    return [
        {"role": USER, "content": _one(row, columns["prompt"])},
        {"role": ASSISTANT, "content": _one(row, columns["response"])},
    ]


def _one(row: Row, column: str) -> str:
    value = row.get(column)
    if not isinstance(value, list):
        return required_text(row, column)
    texts = list(_flat(value))
    if len(texts) != 1:
        what = f'"{column}" holds {len(texts)} texts, and one can be trained: {excerpt(value)}'
        raise RowProblem(f"several {column}" if texts else f"no {column}", what, "write a row of each")
    return required_text({column: texts[0]}, column)


def _flat(value: Any) -> Iterator[Any]:
    if not isinstance(value, list):
        yield value
        return
    for item in value:
        # A list in a list, as the encyclopedia has them, and no deeper.
        yield from item if isinstance(item, list) else [item]
