"""consistent: other words for the same question bring the same answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.checks import CHECKS, consistent, prompts_of
from orchestrator.checks.base import WITH_HISTORY, PromptPlan
from orchestrator.results import Transcript, Turn
from tests.checks.room import CASE, said, turn

CHECK = CHECKS["consistent"]

OTHERS = ["你叫什么？", "请告诉我你的名字"]
NEAR = {"ask": OTHERS, "least": 0.5}


def answers(*contents: str | Turn) -> list[Transcript]:
    turns = [turn(each) if isinstance(each, str) else each for each in contents]
    return [
        Transcript("checks[0]", consistent.purpose(ask), (one,))
        for ask, one in zip(OTHERS, turns, strict=False)
    ]


def test_each_phrasing_is_asked_alone_with_the_cases_system_prompt() -> None:
    case = replace(CASE, system="简短", expect={"consistent": OTHERS})
    assert prompts_of(case) == (
        PromptPlan(WITH_HISTORY, ("请问你是谁",), "简短"),
        PromptPlan("asked as: 你叫什么？", ("你叫什么？",), "简短"),
        PromptPlan("asked as: 请告诉我你的名字", ("请告诉我你的名字",), "简短"),
    )


def test_the_same_but_for_case_spaces_and_last_signs() -> None:
    told = [*said("我是 Conch。"), *answers("我是conch！", "我是Ｃonch")]
    found = CHECK.judge(CASE, OTHERS, told)
    assert found.passed
    assert found.reason == "3 phrasings, the same answers"


def test_another_answer_is_named_with_its_question() -> None:
    found = CHECK.judge(CASE, OTHERS, [*said("我是海螺"), *answers("我是海螺", "我是助手")])
    assert found.reason == '"请告诉我你的名字": answered "我是助手"'
    assert (found.expected, found.answer) == ("我是海螺", "我是海螺")


def test_near_enough_by_a_metric() -> None:
    told = [*said("我是神奇海螺。"), *answers("我是神奇海螺！", "我就是神奇海螺。")]
    assert CHECK.judge(CASE, NEAR, told).passed
    assert not CHECK.judge(CASE, NEAR | {"by": "exact_match"}, told).passed
    far = CHECK.judge(CASE, NEAR, [*said("我是神奇海螺。"), *answers("我是神奇海螺。", "今天天气好")])
    assert "chrf 0.00 (at least 0.5 required)" in far.reason


def test_without_an_answer_nothing_agrees() -> None:
    assert not CHECK.judge(CASE, OTHERS, answers("好", "好")).passed
    assert not CHECK.judge(CASE, OTHERS, [*said("好"), *answers("好")]).passed
    found = CHECK.judge(CASE, OTHERS, [*said("好"), *answers("好", turn(error="HTTP 500"))])
    assert found.reason == '"请告诉我你的名字": HTTP 500'
    assert not CHECK.judge(CASE, OTHERS, [*said(turn("", reasoning="好")), *answers("", "")]).passed


def test_arguments() -> None:
    assert CHECK.problem(OTHERS) is None
    assert CHECK.problem(NEAR | {"by": "rouge-l"}) is None
    wrong: tuple[Any, ...] = (
        "你是谁",
        [],
        [""],
        [1],
        {"ask": OTHERS},
        NEAR | {"least": 2},
        NEAR | {"by": "meteor"},
    )
    assert all(CHECK.problem(argument) for argument in (*wrong, NEAR | {"ask": []}, ["a", "a"], True))
