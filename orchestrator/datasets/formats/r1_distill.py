"""r1_distill: {"input": "…", "reasoning_content": "…", "content": "…"}, Chinese-DeepSeek-R1-Distill-110k.

The names are those of DeepSeek's API: the thought stands beside the answer.
"""

from __future__ import annotations

from orchestrator.datasets.base import SFT, Row
from orchestrator.datasets.formats.base import Columns, no_other_names, single_turn

name = "r1_distill"
purpose = SFT
shape = '{"input": "…", "reasoning_content": "…", "content": "…"}'
columns: Columns = {"prompt": "input", "thought": "reasoning_content", "response": "content"}
resolve = no_other_names
read = single_turn


def sniff(row: Row) -> bool:
    """Whether it has all three."""
    return all(column in row for column in columns.values())
