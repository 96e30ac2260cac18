"""firefly: {"kind": "…", "input": "…", "target": "…"}, Firefly 1.1M: one question and its answer."""

from __future__ import annotations

from orchestrator.datasets.base import SFT, Row
from orchestrator.datasets.formats.base import Columns, no_other_names, single_turn

name = "firefly"
purpose = SFT
shape = '{"kind": "…", "input": "…", "target": "…"}'
columns: Columns = {"prompt": "input", "response": "target"}
resolve = no_other_names
read = single_turn


def sniff(row: Row) -> bool:
    """Whether it has an input and a target."""
    return "input" in row and "target" in row
