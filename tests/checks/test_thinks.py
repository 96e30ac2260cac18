"""thinks: a thought before every answer, or none at all, and no tag left behind."""

from __future__ import annotations

import pytest

from orchestrator.checks.thinks import CHECK
from orchestrator.results import Turn
from tests.checks.room import CASE, said, turn


def test_a_thought_before_every_answer() -> None:
    assert CHECK.judge(CASE, True, said(turn("好", reasoning="嗯"), turn("对", reasoning="想"))).passed
    found = CHECK.judge(CASE, True, said(turn("好", reasoning="嗯"), "对"))
    assert found.reason.startswith("turn 2: it did not think, or the server has no reasoning parser")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (turn("</think>好", reasoning="嗯"), "</think> is left in the answer"),
        (turn("好", reasoning="<think>嗯"), "<think> is left in the thinking"),
        (turn("<think>嗯</think>好"), "<think> is left in the answer"),
        (turn("好", reasoning=" \n"), "did not think"),
        (turn("", reasoning="嗯"), "only thinking"),
        (turn(" ", reasoning="嗯"), "no answer follows"),
        (turn(error="HTTP 500"), "HTTP 500"),
    ],
)
def test_thinking_that_is_not_well_formed(answer: Turn, told: str) -> None:
    found = CHECK.judge(CASE, True, said(answer))
    assert not found.passed
    assert told in found.reason


def test_no_thinking() -> None:
    assert CHECK.judge(CASE, False, said("好", turn("对", reasoning="\n\n"))).passed
    assert "it thought" in CHECK.judge(CASE, False, said(turn("好", reasoning="嗯"))).reason
    assert "left in the answer" in CHECK.judge(CASE, False, said("<think>\n</think>好")).reason
    assert not CHECK.judge(CASE, False, said(turn(error="HTTP 500"))).passed
    assert not CHECK.judge(CASE, False, []).passed


def test_arguments() -> None:
    assert CHECK.problem(True) is None
    assert CHECK.problem(False) is None
    assert CHECK.problem(None)
    assert CHECK.problem("yes")
