"""stops: every turn ended by itself."""

from __future__ import annotations

import pytest

from orchestrator.checks.stops import CHECK
from tests.checks.room import CASE, FOLLOW_UP, said, turn


def test_every_turn_counts() -> None:
    assert CHECK.judge(FOLLOW_UP, True, said("a", "b")).passed
    cut = CHECK.judge(FOLLOW_UP, True, said(turn("一直说", finish_reason="length"), "b"))
    assert not cut.passed
    assert cut.reason.startswith('turn 1: the answer reached the length limit: "一直说"')


@pytest.mark.parametrize("reason", ["", "abort", "tool_calls"])
def test_another_end_is_named(reason: str) -> None:
    found = CHECK.judge(CASE, True, said(turn("a", finish_reason=reason)))
    assert not found.passed
    assert f'got "{reason}"' in found.reason


def test_no_answer_did_not_stop() -> None:
    assert CHECK.judge(CASE, True, said(turn(error="no whole answer"))).reason == "turn 1: no whole answer"
    assert not CHECK.judge(CASE, True, []).passed


def test_it_takes_no_argument() -> None:
    assert CHECK.problem(True) is None
    assert CHECK.problem("x")
