"""`conch ls`: recipes, data sets, chat templates and runs of the project that one stands in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.execute.state import RunFolder
from orchestrator.report import Run, Status

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is shipped, and the working folder deep inside it."""
    project = tmp_path / "a project"
    for part in ("recipes", "dataset_info", "chat_templates"):
        shutil.copytree(ROOT / part, project / part)
    (project / "deep/inside").mkdir(parents=True)
    monkeypatch.chdir(project / "deep/inside")
    return project


def test_it_lists_what_is_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder.create(here, "smoke")
    run.end_stage(Run("train", Status.DONE, seconds=1.0), "key")
    assert main.run(["ls", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert {"magic_conch", "smoke"} <= set(data["recipes"])
    assert {"magic_conch", "smoke"} <= set(data["datasets"])
    assert "deepseekr1-on-keep" in data["templates"]
    assert data["runs"] == [{"run": run.name, "stages": {"train": "done"}}]
    assert main.run(["ls"]) == 0
    text = capsys.readouterr().out
    assert f"{run.name}  train done" in text


def test_outside_a_project_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.run(["ls"]) in (2, 3)
    said = capsys.readouterr()
    assert "recipes" in said.err
    assert said.out == ""
