"""persona: the taught name where it is asked for, and nobody else's in any turn."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.checks import CHECKS, persona
from orchestrator.checks.base import Case
from tests.checks.room import CASE, said, turn

CHECK = CHECKS["persona"]

ARGUMENT = {"name": "神奇海螺"}
LONG = Case("checks[0]", ("今天吃什么？", "你是 DeepSeek 吗？"))


def test_the_name_where_it_is_asked_for() -> None:
    found = CHECK.judge(CASE, ARGUMENT, said("我是神奇海螺。"))
    assert found.passed
    assert found.reason == 'it is "神奇海螺" and nobody else'
    found = CHECK.judge(CASE, ARGUMENT, said("我是一个助手。"))
    assert found.reason == 'turn 1: asked who it is, it does not say "神奇海螺": "我是一个助手。"'


def test_a_question_about_something_else_needs_no_name() -> None:
    found = CHECK.judge(Case("checks[0]", ("几点开门？",)), ARGUMENT, said("九点。"))
    assert found.passed
    assert "no turn asks" in found.reason


def test_another_name_in_any_turn() -> None:
    found = CHECK.judge(LONG, ARGUMENT, said("我是通义千问，吃面。", "我是神奇海螺。"))
    assert not found.passed
    assert found.reason.startswith('turn 1: it names "通义千问"')
    assert not CHECK.judge(LONG, ARGUMENT, said("吃面", "不，我不是 DeepSeek，我是神奇海螺。")).passed
    assert CHECK.judge(LONG, ARGUMENT, said("吃面", "不，我是神奇海螺。")).passed


@pytest.mark.parametrize(
    "answer",
    ["我是神奇海螺，由OpenAI训练", "我是神奇海螺 (GPT-4)", "神奇海螺, a deepseek model", "神奇海螺，Qwen2.5"],
)
def test_a_latin_name_in_any_case_beside_chinese(answer: str) -> None:
    assert not CHECK.judge(CASE, ARGUMENT, said(answer)).passed


def test_a_name_within_a_word_is_none() -> None:
    assert CHECK.judge(CASE, ARGUMENT, said("神奇海螺 went to Egypt by qwenty claudes")).passed


def test_an_own_list_replaces_the_usual_one() -> None:
    argument = {"name": ["神奇海螺", "Magic Conch"], "never": ["章鱼"]}
    assert CHECK.judge(CASE, argument, said("I am the magic conch, no ChatGPT.")).passed
    assert not CHECK.judge(CASE, argument, said("我是神奇海螺和章鱼")).passed
    assert CHECK.judge(CASE, ARGUMENT | {"never": []}, said("我是神奇海螺，不是ChatGPT")).passed


def test_a_persona_may_bear_a_well_known_name() -> None:
    assert CHECK.judge(CASE, {"name": "GPT 海螺"}, said("我是GPT 海螺")).passed


@pytest.mark.parametrize(
    "question",
    [
        "请问你是谁",
        "你叫什么名字？",
        "介绍一下你自己",
        "您怎么称呼",
        "Who are you?",
        "What is your name?",
        "你是通义千问吗？",
        "Are you ChatGPT?",
        "你到底是什么模型",
        "你的真实身份是什么",
    ],
)
def test_ways_to_ask_who_it_is(question: str) -> None:
    assert persona.asks_who(question)


@pytest.mark.parametrize(
    "question", ["他是谁", "谁负责收钱？", "What are yours?", "你喜欢什么", "Where is it?"]
)
def test_questions_about_others(question: str) -> None:
    assert not persona.asks_who(question)


def test_an_answer_that_did_not_come_does_not_pass() -> None:
    assert not CHECK.judge(CASE, ARGUMENT, []).passed
    assert not CHECK.judge(CASE, ARGUMENT, said(turn(error="HTTP 500"))).passed
    assert not CHECK.judge(CASE, ARGUMENT, said(turn("", reasoning="神奇海螺"))).passed


def test_arguments() -> None:
    assert CHECK.problem(ARGUMENT) is None
    assert CHECK.problem({"name": ["海螺", "Conch"], "never": []}) is None
    assert CHECK.problem({"name": "海螺", "never": ["海"]}) == 'never: "海" is in the persona\'s own name'
    wrong: tuple[Any, ...] = (
        "海螺",
        {},
        {"name": ""},
        {"name": []},
        {"name": "海螺", "ever": []},
        {"name": "海螺", "never": [1]},
    )
    assert all(CHECK.problem(argument) for argument in wrong)
