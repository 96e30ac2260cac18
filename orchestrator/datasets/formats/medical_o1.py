"""medical_o1: {"Question": "…", "Complex_CoT": "…", "Response": "…"}, medical-o1-reasoning-SFT.

The chain of thought becomes the answer's thought.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import SFT, Conversation, Row, single_turn

name = "medical_o1"
purpose = SFT
shape = '{"Question": "…", "Complex_CoT": "…", "Response": "…"}'
columns: Mapping[str, str] = {"prompt": "Question", "thought": "Complex_CoT", "response": "Response"}


def sniff(row: Row) -> bool:
    """Whether it has all three."""
    return all(column in row for column in columns.values())


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """Question, and thought and answer as one text."""
    return single_turn(row, columns)
