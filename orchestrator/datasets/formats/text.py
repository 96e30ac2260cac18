"""text: {"text": "…"}, documents for continued pre-training; each line of a .txt file is one."""

from __future__ import annotations

from orchestrator.datasets.base import PT, Row, Text
from orchestrator.datasets.formats.base import Columns, no_other_names, required_text

name = "text"
purpose = PT
shape = '{"text": "…"}'
columns: Columns = {"text": "text"}
resolve = no_other_names


def sniff(row: Row) -> bool:
    """Whether it has a text."""
    return "text" in row


def read(row: Row, columns: Columns) -> Text:
    """The document."""
    return Text(required_text(row, columns["text"]))
