"""`conch schema`."""

from __future__ import annotations

import json

import pytest

from orchestrator.cli.main import run
from orchestrator.recipe.schema import schema


def test_it_prints_the_schema_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == schema()
    assert printed.err == ""


def test_it_prints_the_envelope(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--json"]) == 0
    envelope = json.loads(capsys.readouterr().out)
    assert envelope["ok"] is True
    assert envelope["command"] == "schema"
    assert envelope["data"] == schema()


def test_it_takes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "magic_conch"]) == 2
    assert "magic_conch" in capsys.readouterr().err
