"""The closing words of a run: proofs, verdicts beside the base's, places, and what to type next."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.text.summary import summary
from orchestrator.results import Proof, Report, StageResult, Status, Verdict

FOLDER = Path("runs/magic_conch/20261123-080000-ab12")
DONE = [StageResult(name, Status.DONE) for name in ("train", "export", "report")]
HOLDS = Proof("data", holds=True, covered="109 conversations")
GOOD = Verdict("checks[0]", "contains", passed=True, question="请问你是谁", answer="我是神奇海螺。")
WILD = "\x1b[2J\x1b]52;c;eA==\x07"
BASE = Verdict("checks[0]", "contains", passed=False, question="请问你是谁", answer="I am SmolLM.")


def _said(report: Report, *, stand_in: bool = False) -> str:
    return summary(report, folder=FOLDER, model="magic-conch", stand_in=stand_in)


def test_a_good_run_says_all_a_person_needs() -> None:
    text = _said(Report("magic_conch", "h", DONE, [GOOD], [GOOD], [BASE], [HOLDS]))
    assert "proven      data: 109 conversations" in text
    assert "checks      1 of 1 passed" in text
    assert "base model passed 0 of 1" in text
    assert "1 of 1 held-out questions" in text
    assert text.index("我是神奇海螺。") < text.index("I am SmolLM.")
    assert f"{FOLDER}/export" in text
    for words in (
        "conch serve magic_conch",
        "make serve recipe=magic_conch",
        "curl ",
        "stream=True",
        "base-url:",
    ):
        assert words in text
    assert "stand-in" not in text


def test_a_stand_in_is_called_one() -> None:
    assert "stand-in" in _said(Report("magic_conch", "h", DONE, [GOOD]), stand_in=True)


def test_a_failed_check_says_why_and_nothing_is_offered_to_type() -> None:
    bad = Verdict(
        "checks[0]", "contains", passed=False, question="?", answer="!", reason='no "神奇海螺" in it'
    )
    text = _said(Report("magic_conch", "h", DONE, [GOOD, bad]))
    assert "0 of 1 passed" in text
    assert 'no "神奇海螺" in it' in text
    assert "conch serve" not in text


def test_the_proof_of_a_training_kind_says_its_verdict() -> None:
    proof = Proof("preference", holds=True, covered="9 pairs", detail="margin 2.00 nats")
    assert "proven      preference: 9 pairs; margin 2.00 nats" in _said(
        Report("r", "h", DONE, proofs=[proof])
    )


@pytest.mark.parametrize(("accepted", "word"), [(True, "ACCEPTED"), (False, "REFUTED")])
def test_a_proof_that_does_not_hold_stands_out(*, accepted: bool, word: str) -> None:
    proof = Proof("data", holds=False, covered="2", detail="position 3: 151648 or 151649", accepted=accepted)
    assert f"{word:<11} data: position 3: 151648 or 151649" in _said(Report("r", "h", DONE, proofs=[proof]))


def test_what_a_model_answers_cannot_drive_the_terminal() -> None:
    wild = Verdict(
        "checks[0]", "no_control_tokens", passed=False, question="?", answer=WILD, reason=f"got {WILD}"
    )
    assert "\x1b" not in _said(Report("r", "h", DONE, [wild]))
    assert "\x07" not in _said(Report("r", "h", DONE, [wild]))


def test_without_questions_no_checks_are_counted() -> None:
    assert "checks" not in _said(Report("r", "h", DONE, proofs=[HOLDS]))
