"""medical_o1: {"Question": "…", "Complex_CoT": "…", "Response": "…"}, medical-o1-reasoning-SFT.

The chain of thought becomes the answer's thought.
"""

from __future__ import annotations

from orchestrator.datasets.base import SFT, Row
from orchestrator.datasets.formats.base import Columns, no_other_names, single_turn

name = "medical_o1"
purpose = SFT
shape = '{"Question": "…", "Complex_CoT": "…", "Response": "…"}'
columns: Columns = {"prompt": "Question", "thought": "Complex_CoT", "response": "Response"}
resolve = no_other_names
read = single_turn


def sniff(row: Row) -> bool:
    """Whether it has all three."""
    return all(column in row for column in columns.values())
