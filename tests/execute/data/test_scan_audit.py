"""Auditing a data file: every row, and reports of progress."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.data import data_file
from orchestrator.execute.data.data_file import DataOptions
from orchestrator.execute.data.scan import audit_file


def test_long_files_say_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input": "一", "target": "二"}\n' * 600, encoding="utf-8")
    monkeypatch.setattr(data_file, "REPORT_EVERY", -1.0)
    told: list[str] = []
    found = audit_file(path, DataOptions(), told.append)
    assert told == ["256 rows read", "512 rows read"]
    assert found.audit.warnings.counts["duplicate rows"] == 599


def test_a_named_format_is_not_doubted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"instruction": "Human:一\\nAssistant:", "output": "二"}\n', encoding="utf-8")
    assert audit_file(path, DataOptions()).to_json()["format"] == "belle"
    named = audit_file(path, DataOptions(format="alpaca")).to_json()
    assert (named["format"], named["sniffed"]) == ("alpaca", False)
