"""A row that is left out is listed, also one that JSON cannot say again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.execute.data.rejects import reject_line


def deep(levels: int) -> Any:
    row: Any = "海"
    for _ in range(levels):
        row = [row]
    return {"data": row}


@pytest.mark.parametrize(
    "row", [{"output": None}, None, deep(400), {"半": "\ud83d"}], ids=["row", "no row", "deep", "half"]
)
def test_every_row_is_listed_on_one_line(row: Any) -> None:
    line = reject_line("a.jsonl:3", [RowProblem("null", "空"), RowProblem("shape", "形")], row)
    assert line.count(b"\n") == 1
    told = json.loads(line)
    assert (told["where"], told["kinds"], told["what"]) == ("a.jsonl:3", ["null", "shape"], ["空", "形"])
    assert told["row"] == row or isinstance(told["row"], str)
