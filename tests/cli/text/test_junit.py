"""JUnit XML: well formed whatever a model says."""

from __future__ import annotations

from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

from orchestrator.checks.base import Case
from orchestrator.cli.text.junit import failure_parts, junit_xml, open_junit
from orchestrator.errors import StageFailed, UsageError
from orchestrator.execute.inference.verification import Verification
from orchestrator.results import Verdict

NASTY = "a\x00\x1b]\ud800\ufffe]]>&<\"'\r\n\u2028海螺🐚"
FAILED = Verdict(
    "checks[0]", "equals", passed=False, question=NASTY, answer=NASTY, expected=NASTY, reason=NASTY
)
PASSED = Verdict("checks[1]", "stops", passed=True, question="谁", answer="海螺")


def test_whatever_is_said_is_xml() -> None:
    text = junit_xml(Verification((FAILED, PASSED)), recipe="r", model=NASTY)
    suite = fromstring(text.encode()).find("testsuite")
    assert [case.get("name").split()[0] for case in suite.findall("testcase")] == ["checks[0]", "checks[1]"]
    failure = suite.find("testcase/failure")
    assert "\\x00\\x1b]\\ud800\\ufffe]]>&<\"'\\r\n" in failure.text
    assert failure.get("type") == "equals"
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_what_was_not_run_is_skipped_and_paraphrases_are_no_tests() -> None:
    held_out = Verdict("paraphrases[0]", "contains", passed=False, question="谁", answer="")
    left = (Case("checks[1]", ("一", "二")), Case("paraphrases[1]", ("三",)))
    result = Verification((PASSED,), (held_out,), left, StageFailed("the server died"))
    suite = fromstring(junit_xml(result, recipe="r", model="m").encode()).find("testsuite")
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "0", "1")
    skipped = suite.findall("testcase")[1]
    assert skipped.get("name") == "checks[1] 一 → 二"
    assert skipped.find("skipped").get("message") == "not run: the server died"
    assert {one.get("name"): one.get("value") for one in suite.iter("property")}["paraphrases"] == "0 of 1"


def test_a_failure_says_all_that_is_needed() -> None:
    told = Verdict(
        "c", "contains", passed=False, question="谁", answer="", expected="海螺", reason="no answer"
    )
    assert failure_parts(told) == {
        "question": "谁",
        "answer": "(none)",
        "expected": "海螺",
        "reason": "no answer",
    }


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        open_junit(tmp_path)
