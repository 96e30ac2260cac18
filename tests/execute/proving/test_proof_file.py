from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.plan.stages.prove_export import ProveMergeSettings
from orchestrator.results import Proof, Sentence

REFUTED = Proof(
    "stop",
    holds=False,
    covered="3 answers",
    detail=Sentence("row 7", "第 7 行"),
    hint="set eos_token",
    findings=({"what": "x"},),
)


def test_the_answer_is_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = ProveMergeSettings(facts="", out="proofs/export/stop.json")
    assert leave_proof(REFUTED, settings, tmp_path) == 5
    assert capsys.readouterr().err == "stop: row 7\n    → set eos_token\n"
    assert leave_proof(REFUTED, replace(settings, accept_mismatch=True), tmp_path) == 0
    told = json.loads((tmp_path / settings.out).read_text(encoding="utf-8"))
    assert (told["detail"], told["detail_zh"]) == ("row 7", "第 7 行")
    assert (told["accepted"], told["holds"], told["findings"]) == (True, False, [{"what": "x"}])


def test_what_holds_needs_no_acceptance(tmp_path: Path) -> None:
    settings = ProveMergeSettings(facts="", out="stop.json", accept_mismatch=True)
    assert leave_proof(Proof("stop", holds=True, covered=""), settings, tmp_path) == 0
    assert json.loads((tmp_path / "stop.json").read_text(encoding="utf-8"))["accepted"] is False
