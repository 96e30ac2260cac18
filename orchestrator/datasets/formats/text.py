"""text: {"text": "…"}, documents to go on training with; also what each line of a .txt file is."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import PT, Row, Text, refuse_unread, required_text

name = "text"
purpose = PT
shape = '{"text": "…"}'
columns: Mapping[str, str] = {"text": "text"}


def sniff(row: Row) -> bool:
    """Whether it has a text."""
    return "text" in row


def read(row: Row, columns: Mapping[str, str]) -> Text:
    """The document as it stands."""
    refuse_unread(row, "images", "videos", "audios")
    return Text(required_text(row, columns["text"]))
