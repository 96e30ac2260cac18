"""Conch's own work as a process: settings in, exit code out, what went wrong left as words and as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.errors import Problem, UsageError
from orchestrator.execute.runner import task

MODULE = "a_task_of_this_test"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where problems are left."""
    monkeypatch.setenv("CONCH_PROBLEMS", str(tmp_path / "told.json"))
    return tmp_path / "told.json"


def _task(monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    module = ModuleType(MODULE)
    vars(module)["work"] = work
    monkeypatch.setitem(sys.modules, MODULE, module)
    monkeypatch.setitem(task.TASKS, "work", f"{MODULE}:work")


@dataclass(frozen=True)
class RowsSettings:
    rows: tuple[dict[str, str], ...] = ()
    text: str = ""
    count: int = 0


def _settings(tmp_path: Path, settings: Mapping[str, Any]) -> Path:
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def test_a_task_gets_its_settings_with_the_project_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_PROJECT", "/a project")
    seen: list[tuple[RowsSettings, Path]] = []

    def work(settings: RowsSettings, folder: Path) -> int:
        seen.append((settings, folder))
        return 5

    _task(monkeypatch, work)
    given = {"rows": [{"path": "{project}/data/a.jsonl"}], "text": "not a {project}/path", "count": 3}
    assert task.run_task("work", _settings(tmp_path, given), tmp_path) == 5
    rows = ({"path": "/a project/data/a.jsonl"},)
    assert seen == [(RowsSettings(rows=rows, text="not a {project}/path", count=3), tmp_path)]


def test_an_error_is_told_twice_and_not_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(settings: RowsSettings, folder: Path) -> int:
        raise UsageError(Problem("第三行不对", "data/a.jsonl:3", "fix it"), "and more")

    _task(monkeypatch, work)
    assert task.run_task("work", _settings(tmp_path, {}), tmp_path) == 2
    assert json.loads(told.read_text(encoding="utf-8")) == [
        {"what": "第三行不对", "where": "data/a.jsonl:3", "hint": "fix it"},
        {"what": "and more", "where": "", "hint": ""},
    ]
    assert "data/a.jsonl:3  第三行不对" in capsys.readouterr().err


def test_without_a_loop_words_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(settings: RowsSettings, folder: Path) -> int:
        raise UsageError("no")

    _task(monkeypatch, work)
    assert task.run_task("work", _settings(tmp_path, {}), tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "project") == ["settings.json"]


@pytest.mark.parametrize("words", [[], ["judge"], ["nonsense", "a.json"], ["judge", "a.json", "b"]])
def test_a_wrong_command_line_is_usage(words: list[str]) -> None:
    line = [sys.executable, "-m", "orchestrator.execute.runner.task", *words]
    done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 2
    assert "usage: task NAME SETTINGS.json" in done.stderr
    assert "Traceback" not in done.stderr
