"""not_contains: no turn holds the text."""

from __future__ import annotations

from orchestrator.checks.not_contains import CHECK
from tests.checks.room import CASE, said, turn


def test_without_it_passes() -> None:
    assert CHECK.judge(CASE, "通义千问", said("我是神奇海螺。", "是的")).passed


def test_any_turn_counts() -> None:
    found = CHECK.judge(CASE, ["Qwen", "通义千问"], said("我是通义千问", "我是海螺"))
    assert not found.passed
    assert found.reason == 'turn 1: "通义千问" is in the answer "我是通义千问"'


def test_both_spellings_of_a_letter_are_one() -> None:
    assert not CHECK.judge(CASE, "cafe\u0301", said("un café")).passed


def test_an_answer_that_did_not_come_proves_nothing() -> None:
    assert not CHECK.judge(CASE, "x", said(turn(error="HTTP 500"))).passed
    assert not CHECK.judge(CASE, "x", []).passed


def test_arguments() -> None:
    assert CHECK.problem("好") is None
    assert CHECK.problem(["好"]) is None
    assert all(CHECK.problem(argument) for argument in ("", [], None, 1, ["", "好"]))
