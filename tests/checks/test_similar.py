"""similar: near enough to a reference, by a metric."""

from __future__ import annotations

import pytest

from orchestrator.checks import CHECKS
from tests.checks.room import CASE, said, turn

CHECK = CHECKS["similar"]

TO = {"to": "我是神奇海螺。", "least": 0.6}


@pytest.mark.parametrize("by", ["chrf", "rouge-l", "bleu-4", "exact_match"])
def test_the_same_text_passes_by_any_metric(by: str) -> None:
    assert CHECK.judge(CASE, TO | {"by": by, "least": 0.99}, said("我是神奇海螺。")).passed


def test_near_passes_and_far_does_not() -> None:
    assert CHECK.judge(CASE, TO, said("我是神奇海螺！")).passed
    found = CHECK.judge(CASE, TO, said("今天天气很好"))
    assert not found.passed
    assert found.reason.startswith("chrf 0.00 (at least 0.6 required): expected")


def test_the_limit_is_what_decides() -> None:
    near = said("我是海螺。")
    assert CHECK.judge(CASE, TO | {"least": 0.2}, near).passed
    assert not CHECK.judge(CASE, TO | {"least": 0.9}, near).passed


def test_no_answer_is_near_nothing() -> None:
    assert not CHECK.judge(CASE, TO, said(turn("", reasoning="我是神奇海螺。"))).passed


def test_arguments() -> None:
    assert CHECK.problem(TO) is None
    assert CHECK.problem(TO | {"by": "rouge-l"}) is None
    assert "bleu-4" in str(CHECK.problem(TO | {"by": "meteor"}))
    wrong = (
        "好",
        {"to": "好"},
        TO | {"least": 0},
        TO | {"least": 1.5},
        TO | {"least": True},
        TO | {"to": ""},
    )
    assert all(CHECK.problem(argument) for argument in (*wrong, TO | {"more": 1}, None))
