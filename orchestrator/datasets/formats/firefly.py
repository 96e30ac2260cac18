"""firefly: {"kind": "…", "input": "…", "target": "…"}, Firefly 1.1M: one question and its answer."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import SFT, Conversation, Row, single_turn

name = "firefly"
purpose = SFT
shape = '{"kind": "…", "input": "…", "target": "…"}'
columns: Mapping[str, str] = {"prompt": "input", "response": "target"}


def sniff(row: Row) -> bool:
    """Whether it has an input and a target."""
    return "input" in row and "target" in row


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The two texts as they stand."""
    return single_turn(row, columns)
