"""prepare: what a dataset's entry says is done about rows that cannot be trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from tests.execute.data.test_prepare import ROW, lines_of, prepare, settings, written


def test_rows_are_left_out_only_where_the_entry_says_so_and_are_listed(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", ROW, {**ROW, "output": ""}, {**ROW, "output": 3})
    with pytest.raises(UsageError, match="2 of 3 rows"):
        prepare(settings(source), tmp_path)
    assert prepare(settings(source, drop_bad=True, fix=True), tmp_path) == 0
    out = tmp_path / "data.partial-0"
    (dropped,) = lines_of(out / "prepare.dropped.jsonl")
    assert (dropped["where"], dropped["row"]["output"]) == ("raw.jsonl:2", "")
    report = json.loads((out / "prepare.json").read_text(encoding="utf-8"))["datasets"][0]
    assert (report["rows_in"], report["rows"], sum(report["dropped"].values())) == (3, 2, 1)
    assert lines_of(out / "x.jsonl")[1]["messages"][-1]["content"] == "3"


def test_rows_that_are_no_conversations_are_refused(tmp_path: Path) -> None:
    source = written(tmp_path / "raw.jsonl", {"text": "一篇文章"})
    with pytest.raises(UsageError, match="rows are documents, but conversations are needed"):
        prepare(settings(source, format=""), tmp_path)
