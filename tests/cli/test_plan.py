"""`conch plan`: all that a run would do, printed; nothing is touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.plan.stages import STAGES as EVERY_STAGE

# Those of a recipe that scores no split.
STAGES = [name for name in EVERY_STAGE if not name.startswith("evaluate")]

ROOT = Path(__file__).parents[2]


# The others are stages of one kind or one method.
EVERY_KIND = [name for name in STAGES if name not in ("rewards", "expand")]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with what is shipped."""
    project = tmp_path / "a project"
    for part in ("recipes", "dataset_info", "chat_templates"):
        shutil.copytree(ROOT / part, project / part)
    monkeypatch.chdir(project)
    return project


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    return ((str(path), path.stat().st_mtime_ns) for path in sorted(folder.rglob("*")))


def test_it_prints_every_file_and_every_command_and_touches_nothing(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = list(_files(tmp_path))
    assert main.run(["plan", "magic_conch", "--hardware", "cpu"]) == 0
    text = capsys.readouterr().out
    for words in ("stand-in", "llamafactory-cli train train.yaml", "llamafactory-cli export", "vllm serve"):
        assert words in text
    for stage in EVERY_KIND:
        assert f". {stage}\n" in text
    assert list(_files(tmp_path)) == before


def test_its_json_is_the_plan(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "magic_conch", "--hardware", "cuda", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["hardware"] == "cuda"
    assert data["stand_in"] is False
    assert data["recipe"]["model"]["base"] == "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"
    assert [stage["name"] for stage in data["plan"]["stages"]] == EVERY_KIND


def test_it_is_the_same_from_a_path_and_from_another_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main.run(["plan", "magic_conch", "--hardware", "cpu"])
    by_name = capsys.readouterr().out
    monkeypatch.chdir(here / "recipes")
    assert main.run(["plan", "./magic_conch.yaml", "--hardware", "cpu"]) == 0
    assert capsys.readouterr().out == by_name


def test_a_value_for_one_run_is_in_its_plan(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["plan", "--set", "train.epochs=3", "--hardware", "cpu"]) == 0
    assert "num_train_epochs: 3" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["no_such_recipe"], ["--", "--evil"], [""], ["x; touch P"], ["../../etc/passwd"]]
)
def test_no_such_recipe_is_one_clear_message(
    here: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main.run(["plan", *words]) == 2
    said = capsys.readouterr()
    assert "bug" not in said.err
    assert "Traceback" not in said.err
    assert said.err.strip()
    assert said.out == ""


def test_all_mistakes_are_said_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "extends: magic_conch\ntrain:\n  learning_rate: -1\n  epocs: 3\nserve:\n  port: many\n"
    (here / "recipes/bad.yaml").write_text(text, encoding="utf-8")
    assert main.run(["plan", "bad"]) == 2
    said = capsys.readouterr().err
    for place in ("recipes/bad.yaml:3:", "recipes/bad.yaml:4:", "recipes/bad.yaml:6:"):
        assert place in said
