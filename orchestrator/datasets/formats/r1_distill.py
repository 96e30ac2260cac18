"""r1_distill: {"input": "…", "reasoning_content": "…", "content": "…"}, Chinese-DeepSeek-R1-Distill-110k.

The names are those of DeepSeek's API: what it thought stands beside what it answered.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import SFT, Conversation, Row, single_turn

name = "r1_distill"
purpose = SFT
shape = '{"input": "…", "reasoning_content": "…", "content": "…"}'
columns: Mapping[str, str] = {"prompt": "input", "thought": "reasoning_content", "response": "content"}


def sniff(row: Row) -> bool:
    """Whether it has all three."""
    return all(column in row for column in columns.values())


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """Question, and thought and answer as one text."""
    return single_turn(row, columns)
