"""A report's exit code and counts are folds over what happened."""

from __future__ import annotations

import json

import pytest

from orchestrator.results import (
    Proof,
    Report,
    Sentence,
    StageResult,
    Status,
    Verdict,
    from_json,
    in_language,
    json_of,
    passed_of,
)

GOOD = Verdict("checks[0]", "contains", passed=True, question="?", answer="!")
BAD = Verdict("checks[0]", "stops", passed=False, question="?", answer="!", reason="cut")
OTHER = Verdict("checks[1]", "contains", passed=True, question="?", answer="!")
HOLDS = Proof("parity:data", holds=True, covered="60 conversations")
BREAKS = Proof("parity:data", holds=False, covered="60 conversations", detail="position 3")
ACCEPTED = Proof("parity:data", holds=False, covered="60 conversations", accepted=True)


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report("r", "h"), 0),
        (Report("r", "h", runs=[StageResult("train", Status.DONE)], verdicts=[GOOD], proofs=[HOLDS]), 0),
        (Report("r", "h", verdicts=[GOOD, BAD]), 5),
        (Report("r", "h", proofs=[HOLDS, BREAKS]), 5),
        (Report("r", "h", proofs=[ACCEPTED]), 0),
        (Report("r", "h", runs=[StageResult("train", Status.FAILED, exit_code=1)], verdicts=[BAD]), 4),
        (Report("r", "h", paraphrases=[BAD], base_verdicts=[BAD]), 0),
    ],
    ids=["nothing", "all well", "a check", "a proof", "accepted", "a stage", "only shown"],
)
def test_the_exit_code_is_the_worst_that_counts(report: Report, code: int) -> None:
    assert report.exit_code == code


def test_a_case_passes_when_all_its_verdicts_do() -> None:
    assert passed_of([GOOD, BAD, OTHER]) == (1, 2)
    assert passed_of([]) == (0, 0)


def test_a_report_is_json() -> None:
    said = json.loads(json.dumps(Report("r", "h", [StageResult("ask", Status.SKIPPED)], [GOOD]).to_json()))
    assert said["runs"][0]["status"] == "skipped"
    assert said["verdicts"][0]["check"] == "contains"


def test_a_report_carries_both_languages_and_is_read_back() -> None:
    detail = Sentence("row 3 was cut", "第 3 行被截断")
    finding = {"what": Sentence("cut", "截断"), "where": "a.jsonl:3"}
    proof = Proof("truncation", holds=False, covered="", detail=detail, findings=(finding,))
    told = json.loads(json.dumps(json_of({"proof": proof, "notes": [detail, "as it is"]})))
    assert told["proof"]["detail"] == "row 3 was cut"
    assert told["proof"]["detail_zh"] == "第 3 行被截断"
    assert told["proof"]["findings"] == [{"what": "cut", "what_zh": "截断", "where": "a.jsonl:3"}]
    assert told["notes_zh"] == ["第 3 行被截断", "as it is"]
    back = from_json(told)
    assert back["proof"]["findings"][0]["what"].zh == "截断"
    assert [note.zh for note in back["notes"]] == ["第 3 行被截断", "as it is"]
    assert json_of(back) == told


def test_json_is_shown_in_one_language() -> None:
    rows = {"parts": [{"sentence": "no", "sentence_zh": "否", "name": "chrf"}], "plain": "x"}
    assert in_language(rows, "zh") == {"parts": [{"sentence": "否", "name": "chrf"}], "plain": "x"}
    assert in_language(rows, "en") == {"parts": [{"sentence": "no", "name": "chrf"}], "plain": "x"}
