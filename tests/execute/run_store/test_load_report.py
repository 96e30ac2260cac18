"""What a run left is read back as a Report; what is not there yet is empty."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.execute.run_store.load_report import proof_of, read_proofs, read_report
from orchestrator.plan.stages.base import DATA_PROOF, EXPORT_PROOF, VERDICTS
from orchestrator.results import Proof, StageResult, Status, Verdict, in_chinese

VERDICT = Verdict("checks[0]", "contains", passed=True, question="你是谁", answer="神奇海螺", reason="so")
PARITY: dict[str, Any] = {
    "name": "parity:export",
    "holds": False,
    "numbers": {"equal": 2, "differs": 1},
    "covered": "3 answers",
    "detail": "a space more",
    "detail_zh": "多一个空格",
    "first_difference": {"explanation": "a space more", "position": 3},
    "accepted": True,
}


def put(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def test_an_empty_folder_is_an_empty_report(tmp_path: Path) -> None:
    report = read_report(tmp_path, recipe="r")
    assert (report.verdicts, report.proofs, report.exit_code) == ((), (), 0)


def test_verdicts_and_proofs_are_what_was_written(tmp_path: Path) -> None:
    put(tmp_path / VERDICTS, {"verdicts": [asdict(VERDICT)], "paraphrases": [], "base_verdicts": []})
    put(tmp_path / EXPORT_PROOF / "parity.json", PARITY)
    put(tmp_path / DATA_PROOF / "parity.json", {"name": "parity:data", "holds": True, "covered": ""})
    run = StageResult("train", Status.DONE)
    report = read_report(tmp_path, recipe="r", headline="h", runs=[run])
    assert report.verdicts == (VERDICT,)
    assert [proof.name for proof in report.proofs] == ["parity:data", "parity:export"]
    assert report.runs == (run,)
    assert json.loads(json.dumps(report.to_json()))["verdicts"][0]["question"] == "你是谁"


def test_a_proof_says_what_it_covers_and_where_it_fails() -> None:
    assert proof_of(PARITY) == Proof(
        "parity:export",
        holds=False,
        covered="3 answers",
        numbers={"equal": 2, "differs": 1},
        detail="a space more",
        accepted=True,
    )
    assert in_chinese(proof_of(PARITY).detail) == "多一个空格"


def test_a_file_where_a_folder_should_be_is_no_proof(tmp_path: Path) -> None:
    put(tmp_path / DATA_PROOF, "a file")
    assert list(read_proofs(tmp_path)) == []
