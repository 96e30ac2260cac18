"""no_repetition: a model that runs in a circle is caught, in Chinese too."""

from __future__ import annotations

import time

import pytest

from orchestrator.checks import no_repetition
from orchestrator.checks.no_repetition import CHECK
from tests.checks.room import CASE, said, turn


@pytest.mark.parametrize(
    "answer",
    [
        "我是神奇海螺。" * 6,
        "好" * 40,
        "I am. " * 30,
        "1、去找食谱；2、去找食谱；3、去找食谱；4、去找食谱；5、去找食谱；6、去找食谱",
    ],
)
def test_a_circle_is_found(answer: str) -> None:
    assert not CHECK.judge(CASE, True, said("好的", f"开始。{answer}")).passed


@pytest.mark.parametrize(
    "answer", ["哈哈哈哈哈", "我是神奇海螺。", "|---|---|---|---|---|---|", "10000000000000000000000000000"]
)
def test_emphasis_tables_and_numbers_are_none(answer: str) -> None:
    assert CHECK.judge(CASE, True, said(answer)).passed


def test_thinking_is_looked_at() -> None:
    found = CHECK.judge(CASE, True, said(turn("好", reasoning="嗯，再想想。" * 9)))
    assert found.reason.startswith('turn 1: the thinking repeats "嗯再想想" over and over')


def test_no_answer_does_not_pass() -> None:
    assert not CHECK.judge(CASE, True, []).passed
    assert not CHECK.judge(CASE, True, said(turn(error="HTTP 500"))).passed


def test_a_long_answer_takes_no_time() -> None:
    began = time.monotonic()
    no_repetition.loop("".join(chr(0x4E00 + at % 3001) for at in range(100_000)))
    assert time.monotonic() - began < 5


def test_arguments() -> None:
    assert CHECK.problem(True) is None
    assert CHECK.problem("x")
