"""The table of checks: the prompts of a case, each conversation once, and every verdict in order."""

from __future__ import annotations

import re
from typing import Any

import pytest

from orchestrator.checks import CHECKS, EVERY, checks_of, judge_all, not_run, problems_of, prompts_of
from orchestrator.checks.base import WITH_HISTORY, WITHOUT_HISTORY, Case, PromptPlan
from orchestrator.results import Transcript, Turn, in_chinese
from tests.checks.room import CASE, alone, said, turn

ARGUMENTS: dict[str, Any] = {
    "contains": "海螺",
    "equals": "海螺",
    "matches": "海螺",
    "any_of": ["海螺", "螺"],
    "not_contains": ["OK", "no"],
    "similar": {"to": "海螺", "least": 0.5},
    "length": {"least": 10},
    "language": "zh",
    "persona": {"name": "海螺"},
    "consistent": ["你是谁"],
    "tool_call": {"name": "get_weather"},
    "remembers": "海螺",
    "forgets": "海螺",
}
MIXED = Case("checks[0]", ("在哪？", "几点？"), expect={"contains": "九点", "remembers": "九点"})


def test_every_check_is_found_by_its_name() -> None:
    assert all(check.name == name for name, check in CHECKS.items())
    assert all(CHECKS[name].problem(True) is None for name in EVERY)


def test_a_conversation_is_asked_once_and_streamed_if_one_check_needs_it() -> None:
    assert prompts_of(MIXED, ("stops", "streamed")) == (
        PromptPlan(WITH_HISTORY, ("在哪？", "几点？"), streamed=True),
        PromptPlan(WITHOUT_HISTORY, ("几点？",)),
    )
    own = Case("checks[1]", ("谁",), expect={"streamed": True})
    assert prompts_of(own, ("stops",)) == (PromptPlan(WITH_HISTORY, ("谁",), streamed=True),)
    assert prompts_of(Case("checks[1]", ("谁",))) == (PromptPlan(WITH_HISTORY, ("谁",)),)


def test_a_check_of_every_case_is_not_judged_twice() -> None:
    case = Case("checks[0]", ("谁",), expect={"stops": True})
    assert checks_of(case, ("stops", "no_control_tokens")) == [("stops", True), ("no_control_tokens", True)]


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


HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.parametrize("answer", [turn("OK."), turn(""), turn(error="HTTP 500"), turn("", reasoning="x")])
def test_every_reason_is_also_in_chinese(name: str, answer: Turn) -> None:
    argument = ARGUMENTS.get(name, True)
    assert CHECKS[name].problem(argument) is None
    verdict = CHECKS[name].judge(CASE, argument, said(answer))
    assert HAN.search(in_chinese(verdict.reason)), verdict.reason
