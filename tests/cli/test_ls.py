"""`conch ls`: recipes, data sets, chat templates and runs of the project that one stands in."""

from __future__ import annotations

import json
import shutil
from itertools import product
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.results import StageResult, Status
from orchestrator.templates.families import layouts
from orchestrator.templates.pairing import name_of
from orchestrator.templates.writer import HISTORY, THINKING, settings_of

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
    run = Run.create(here, "smoke")
    run.end_stage(StageResult("train", Status.DONE, seconds=1.0), "key")
    assert main.run(["ls", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert {"magic_conch", "smoke"} <= set(data["recipes"])
    assert {"magic_conch", "smoke"} <= set(data["datasets"])
    assert "deepseekr1-on-keep" in data["templates"]
    assert data["runs"] == [{"run": run.name, "stages": {"train": "done"}}]
    assert main.run(["ls"]) == 0
    text = capsys.readouterr().out
    assert f"{run.name}  train done" in text


def test_the_matrix_of_chat_templates(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["ls", "templates", "--json"]) == 0
    rows = {row["training"]: row["cells"] for row in json.loads(capsys.readouterr().out)["data"]["matrix"]}
    assert set(rows) == set(layouts())
    for training, cells in rows.items():
        assert [(cell["thinking"], cell["history"]) for cell in cells] == list(product(THINKING, HISTORY))
        for cell in cells:
            own = name_of(training, *settings_of(training, cell["thinking"], cell["history"]))
            assert cell["template"] == own
            assert "writer.py" in cell["source"]
    assert rows["deepseekr1"][0]["reasoning_parser"] == "deepseek_r1"
    assert rows["llama3"][0]["reasoning_parser"] is None
    assert main.run(["ls", "templates"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["qwen", *["qwen"] * 6] in lines
    assert ["qwen3", *(f"qwen3-{how}-{keep}" for how, keep in product(THINKING, HISTORY))] in lines
    assert ["qwen3-on-keep", "qwen3", "written", "by", "orchestrator/templates/writer.py"] in lines


def test_a_setting_without_a_chat_template_is_shown_as_such(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (here / "chat_templates").glob("deepseekr1-off-*"):
        path.unlink()
    assert main.run(["ls", "templates"]) == 0
    names = [f"deepseekr1-{how}" for how in ("on-keep", "on-strip", "mixed-keep", "mixed-strip")]
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["deepseekr1", *names[:2], "-", "-", *names[2:]] in lines


@pytest.mark.parametrize("what", ["recipes", "datasets", "runs"])
def test_one_kind_alone(here: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    assert main.run(["ls", what]) == 0
    text = capsys.readouterr().out
    assert text.startswith(what)
    assert not any(f"{other}\n" in text for other in {"recipes", "datasets", "runs"} - {what})


def test_a_kind_that_there_is_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["ls", "models"]) == 2
    assert "'templates'" in capsys.readouterr().err


def test_outside_a_project_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.run(["ls"]) in (2, 3)
    said = capsys.readouterr()
    assert "recipes" in said.err
    assert said.out == ""
