"""any_of: one text of the list is enough."""

from __future__ import annotations

from orchestrator.checks import any_of
from tests.checks.room import CASE, said, turn


def test_one_is_enough() -> None:
    assert any_of.judge(CASE, ["海螺", "章鱼"], said("我是神奇海螺。")).passed
    assert any_of.judge(CASE, ["cafe\u0301"], said("un café")).passed


def test_none_is_not() -> None:
    found = any_of.judge(CASE, ["海螺", "章鱼"], said("我是助手"))
    assert not found.passed
    assert found.reason == 'expected one of "海螺", "章鱼" in the answer, got "我是助手"'
    assert found.expected == "海螺 | 章鱼"


def test_no_answer_holds_nothing() -> None:
    assert not any_of.judge(CASE, ["好"], said(turn("", reasoning="好"))).passed
    assert not any_of.judge(CASE, ["好"], []).passed


def test_arguments() -> None:
    assert any_of.problem(["好"]) is None
    assert any_of.problem(["好", " "]) == "[1]: must not be empty"
    assert all(any_of.problem(argument) for argument in ("好", [], None, [1], True))
