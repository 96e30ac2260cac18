"""Repeats: ids and seeds of their own, and one verdict of all."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.checks import prompts_of
from orchestrator.checks.repeats import ONCE, RepeatsCheck, folded, repeated, stem
from orchestrator.results import Verdict
from tests.checks.room import CASE, FOLLOW_UP

PASSED = Verdict("checks[0]", "contains", passed=True, question="谁", answer="海螺", reason="it holds it")
FAILED = replace(PASSED, passed=False, answer="助手", reason="it does not")


def verdicts(*passed: bool) -> list[Verdict]:
    return [
        replace(PASSED if good else FAILED, case="checks[0]" if number == 1 else f"checks[0]~{number}")
        for number, good in enumerate(passed, 1)
    ]


def test_once_is_as_it_was() -> None:
    assert repeated([CASE, FOLLOW_UP], ONCE) == [CASE, FOLLOW_UP]
    assert folded(verdicts(True), ONCE) == verdicts(True)


def test_each_repeat_has_its_id_and_its_seed() -> None:
    twice = repeated([CASE, FOLLOW_UP], RepeatsCheck(2, seeded=True))
    assert [case.id for case in twice] == ["checks[0]", "checks[0]~2", "checks[1]", "checks[1]~2"]
    assert [case.seed for case in twice] == [1, 2, 1, 2]
    assert [stem(case.id) for case in twice] == ["checks[0]", "checks[0]", "checks[1]", "checks[1]"]
    assert [asked.seed for case in twice for asked in prompts_of(case)] == [1, 2, 1, 2]
    assert {case.seed for case in repeated([CASE], RepeatsCheck(3))} == {0}


def test_enough_of_them_pass() -> None:
    [found] = folded(verdicts(True, False, True, True), RepeatsCheck(4, 0.75))
    assert (found.case, found.passed, found.answer) == ("checks[0]", True, "海螺")
    assert found.reason == "3 of 4 passed (95 % interval 0.30–0.95; at least 0.75 required)"


def test_too_few_pass_and_one_that_failed_is_shown() -> None:
    [found] = folded(verdicts(True, False, True), RepeatsCheck(3))
    assert (found.case, found.passed, found.answer) == ("checks[0]", False, "助手")
    assert found.reason.endswith("at least 1 required); for example: it does not")


def test_a_share_is_met_exactly() -> None:
    assert folded(verdicts(*[True] * 7, *[False] * 3), RepeatsCheck(10, 0.7))[0].passed


def test_checks_are_folded_apart_and_an_unfinished_case_not_at_all() -> None:
    two = [replace(each, check=check) for each in verdicts(True, False) for check in ("a", "b")]
    unfinished = replace(PASSED, case="checks[1]")
    found = folded([*two, unfinished], RepeatsCheck(2, 0.5))
    assert [(each.case, each.check) for each in found] == [("checks[0]", "a"), ("checks[0]", "b")]
