"""Where a benchmark's output goes, and how its log is told. The whole of it: cli/test_bench.py."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.errors import MissingError
from orchestrator.execute.evaluating.bench import _Follower, output_folder, run_of
from orchestrator.execute.run_store import server_record
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_logs import Growing
from orchestrator.execute.run_store.server_record import Serving, hold_serving

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def test_each_run_of_a_tool_has_a_folder_of_its_own(tmp_path: Path) -> None:
    names = [output_folder(tmp_path / "bench", "lm-eval", now=NOW).name for _ in range(3)]
    assert names == [f"lm-eval-20261125-120000{more}" for more in ("", "-2", "-3")]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MissingError, match="cannot be made"):
        output_folder(tmp_path / "file", "lm-eval")


def test_the_run_that_is_served_there_is_meant(project: Path) -> None:
    assert run_of(project, "r", "http://x/v1") is None
    older, newer = Run.create(project, "r"), Run.create(project, "r")
    assert run_of(project, "r", "http://x/v1") == newer
    with hold_serving(older):
        server_record.write_serving(older, Serving(older.name, "http://x/v1", "m", 1, 1, "now"))
        assert run_of(project, "r", "http://x/v1") == older
        assert run_of(project, "r", "http://y/v1") == newer


def test_a_log_is_told_line_by_line_without_secrets(tmp_path: Path) -> None:
    log, told = tmp_path / "log", list[str]()
    follower = _Follower(Growing(log), ["s3cret-key"], told.append)
    follower.tick()
    log.write_bytes("一 s3cret-key\n 1%|\r 2%|\r".encode())
    follower.tick()
    with log.open("ab") as file:
        file.write(b" 3%|\n\xff\n")
    follower.tick()
    follower.tick()
    assert told == ["一 ***", " 3%|", "\\xff"]
