"""`conch pull`: the embedded base or a hub's model, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import main
from orchestrator.execute.models import demo_model, hub


def test_embedded_is_made_and_called_a_stand_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_model, "ensure_embedded", lambda *_: tmp_path)
    assert main.run(["pull", "embedded"]) == 0
    out = capsys.readouterr().out
    assert str(tmp_path) in out
    assert "not DeepSeek-R1" in out
    assert main.run(["pull", "embedded", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["stand_in"] is True


def test_a_hub_id_is_fetched_from_the_hub_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def fetch_model(*words: Any, **options: Any) -> Path:
        asked.extend([*words[:3], options["hardware"]])
        return tmp_path

    monkeypatch.setattr(hub, "fetch_model", fetch_model)
    words = ["pull", "o/n", "--revision", "abc", "--hub", "modelscope", "--hardware", "cpu"]
    assert main.run(words) == 0
    assert asked == ["o/n", "abc", "modelscope", "cpu"]
    assert capsys.readouterr().out.strip() == str(tmp_path)


@pytest.mark.parametrize("name", ["embeded", "a/b/c", ""])
def test_another_name_is_a_usage_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["pull", name]) == 2
    assert "conch pull embedded" in capsys.readouterr().err


def test_the_embedded_base_has_no_revision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["pull", "embedded", "--revision", "main"]) == 2
    assert "no revisions" in capsys.readouterr().err


def test_without_the_train_environment_the_fix_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["pull", "embedded", "--hardware", "cpu"]) == 3
    assert "conch env sync train" in capsys.readouterr().err
