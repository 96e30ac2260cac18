"""huatuo26m_lite: {"questions": "…", "answers": "…"}, Huatuo-26M's lite and encyclopedia files.

Either may be a list, or a list of lists, of one text. A row with several questions or several answers is
refused: the user decides which of them is trained.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.datasets.base import ASSISTANT, SFT, USER, Conversation, Row, RowProblem, excerpt
from orchestrator.datasets.formats.base import Columns, no_other_names, required_text

name = "huatuo26m_lite"
purpose = SFT
shape = '{"questions": "…", "answers": "…"}'
columns: Columns = {"prompt": "questions", "response": "answers"}
resolve = no_other_names


def sniff(row: Row) -> bool:
    """Whether it has questions and answers."""
    return "questions" in row and "answers" in row


def read(row: Row, columns: Columns) -> Conversation:
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
        what = f'"{column}" has {len(texts)} texts, but one can be trained: {excerpt(value)}'
        raise RowProblem(f"several {column}" if texts else f"no {column}", what, "write one row for each")
    return required_text({column: texts[0]}, column)


def _flat(items: list[object]) -> Iterator[object]:
    """Items of the list, and of lists in it: the encyclopedia nests once."""
    for item in items:
        yield from item if isinstance(item, list) else [item]
