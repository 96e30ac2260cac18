"""Looking through a data file: every row, however many, and word of how far it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.execute.data import audit_file as module
from orchestrator.execute.data.audit_file import audit_file


def test_long_files_say_how_far_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"input": "一", "target": "二"}\n' * 3, encoding="utf-8")
    monkeypatch.setattr(module, "TOLD_EVERY", -1.0)
    told: list[str] = []
    found = audit_file(path, progress=told.append)
    assert told == ["1 rows read", "2 rows read", "3 rows read"]
    assert found.audit.warnings["duplicate rows"] == 2


def test_a_named_format_is_not_doubted(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"instruction": "Human:一\\nAssistant:", "output": "二"}\n', encoding="utf-8")
    assert audit_file(path).to_json()["format"] == "belle"
    named = audit_file(path, format_name="alpaca").to_json()
    assert (named["format"], named["sniffed"]) == ("alpaca", False)
