"""`conch doctor`: one line a finding, and 3 when a run could not work."""

from __future__ import annotations

import json

import pytest

from orchestrator.cli import main
from orchestrator.execute import doctor
from orchestrator.execute.doctor import Condition, Finding

FINE = Finding("disk", Condition.OK, "9 GB")
NOTED = Finding("embedded", Condition.NOTE, "not there", "conch pull embedded")
GONE = Finding("uv", Condition.MISSING, "uv is not there", "make setup")


def test_nothing_missing_is_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _: [FINE, NOTED])
    assert main.run(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert "nothing is missing" in out
    assert "→ conch pull embedded" in out
    assert err == ""


def test_something_missing_is_3_and_its_fix_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _: [FINE, GONE])
    assert main.run(["doctor"]) == 3
    out, err = capsys.readouterr()
    assert (out + err).count("make setup") == 1
    assert "1 missing" in out


def test_for_machines_every_finding_has_id_status_and_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda _: [FINE, GONE])
    assert main.run(["doctor", "--hardware", "cuda", "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is False
    assert answer["data"]["hardware"] == "cuda"
    assert answer["data"]["findings"][1] == {
        "id": "uv",
        "status": "missing",
        "what": "uv is not there",
        "hint": "make setup",
    }
    assert answer["problems"] == [{"what": "uv is not there", "where": "", "hint": "make setup"}]


def test_the_real_look_at_this_machine_raises_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["doctor", "--json"]) in {0, 3}
    assert len(json.loads(capsys.readouterr().out)["data"]["findings"]) >= 8
