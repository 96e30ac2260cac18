"""any_of: one text of the list is enough."""

from __future__ import annotations

from orchestrator.checks.any_of import CHECK
from tests.checks.room import CASE, said, turn


def test_one_is_enough() -> None:
    assert CHECK.judge(CASE, ["海螺", "章鱼"], said("我是神奇海螺。")).passed
    assert CHECK.judge(CASE, ["cafe\u0301"], said("un café")).passed


def test_none_is_not() -> None:
    found = CHECK.judge(CASE, ["海螺", "章鱼"], said("我是助手"))
    assert not found.passed
    assert found.reason == 'expected one of "海螺", "章鱼" in the answer, got "我是助手"'
    assert found.expected == "海螺 | 章鱼"


def test_no_answer_holds_nothing() -> None:
    assert not CHECK.judge(CASE, ["好"], said(turn("", reasoning="好"))).passed
    assert not CHECK.judge(CASE, ["好"], []).passed


def test_arguments() -> None:
    assert CHECK.problem(["好"]) is None
    assert CHECK.problem(["好", " "]) == "[1]: must not be empty"
    assert all(CHECK.problem(argument) for argument in ("好", [], None, [1], True))
