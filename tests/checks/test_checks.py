"""The board of checks: what is asked for a case, each conversation once, and every verdict in order."""

from __future__ import annotations

from orchestrator.checks import CHECKS, EVERY, asks_of, judge_all, not_run, problems_of, wanted
from orchestrator.checks.base import WITH_HISTORY, WITHOUT_HISTORY, Case, PromptPlan
from orchestrator.results import Transcript
from tests.checks.room import alone, said, turn

MIXED = Case("checks[0]", ("在哪？", "几点？"), expect={"contains": "九点", "remembers": "九点"})


def test_every_line_of_the_board_names_its_module() -> None:
    assert all(check.name == name for name, check in CHECKS.items())
    assert all(CHECKS[name].problem(True) is None for name in EVERY)


def test_a_conversation_is_asked_once_and_streamed_when_one_check_wants_it() -> None:
    assert asks_of(MIXED, ("stops", "streamed")) == (
        PromptPlan(WITH_HISTORY, ("在哪？", "几点？"), streamed=True),
        PromptPlan(WITHOUT_HISTORY, ("几点？",)),
    )
    own = Case("checks[1]", ("谁",), expect={"streamed": True})
    assert asks_of(own, ("stops",)) == (PromptPlan(WITH_HISTORY, ("谁",), streamed=True),)
    assert asks_of(Case("checks[1]", ("谁",))) == (PromptPlan(WITH_HISTORY, ("谁",)),)


def test_a_check_of_every_case_is_not_judged_twice() -> None:
    case = Case("checks[0]", ("谁",), expect={"stops": True})
    assert wanted(case, ("stops", "no_control_tokens")) == [("stops", True), ("no_control_tokens", True)]


def test_verdicts_come_in_order_and_only_for_what_was_asked() -> None:
    other = Case("checks[1]", ("谁",), expect={"equals": "好"})
    third = Case("checks[2]", ("谁",), expect={"equals": "好"})
    answers = [
        *said("在海底", turn("九点", streamed=True, streamed_content="九点")),
        alone("谁？"),
        Transcript("checks[2]", WITH_HISTORY, (turn("好"),)),
    ]
    verdicts = judge_all([MIXED, other, third], ("stops",), answers)
    assert [(each.case, each.check, each.passed) for each in verdicts] == [
        ("checks[0]", "contains", True),
        ("checks[0]", "remembers", True),
        ("checks[0]", "stops", True),
        ("checks[2]", "equals", True),
        ("checks[2]", "stops", True),
    ]
    assert not_run([MIXED, other, third], answers) == [other]


def test_what_a_recipe_expects_wrongly_is_named() -> None:
    assert problems_of({"contain": "x", "equals": "", "no_control_tokens": True}) == [
        ("contain", 'no check named "contain"; did you mean "contains"?'),
        ("equals", "must not be empty"),
    ]
    assert "there are contains" in problems_of({"zzz": 1})[0][1]
