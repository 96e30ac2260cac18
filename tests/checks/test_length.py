"""length: within bounds, in characters or tokens."""

from __future__ import annotations

import pytest

from orchestrator.checks import CHECKS
from tests.checks.room import CASE, said, turn

CHECK = CHECKS["length"]


@pytest.mark.parametrize(
    ("argument", "passed"),
    [({"most": 3}, True), ({"most": 2}, False), ({"least": 3}, True), ({"least": 4}, False)],
)
def test_bounds_are_inclusive_and_count_characters(argument: dict[str, int], *, passed: bool) -> None:
    assert CHECK.judge(CASE, argument, said(" 神奇螺\n")).passed is passed


def test_tokens_are_the_servers() -> None:
    argument = {"most": 2, "unit": "tokens"}
    assert CHECK.judge(CASE, argument, said(turn("神奇海螺", token_ids=(1, 2)))).passed
    found = CHECK.judge(CASE, argument, said(turn("神", token_ids=(1, 2, 3))))
    assert found.reason == "expected at most 2 tokens, got 3"
    assert "use unit: characters" in CHECK.judge(CASE, argument, said("神")).reason


def test_no_answer_has_no_length() -> None:
    assert not CHECK.judge(CASE, {"most": 9}, said("")).passed


def test_arguments() -> None:
    assert CHECK.problem({"least": 1, "most": 1, "unit": "tokens"}) is None
    wrong: tuple[object, ...] = (
        {},
        5,
        {"unit": "tokens"},
        {"most": 0},
        {"most": True},
        {"least": 5, "most": 4},
        {"max": 3},
    )
    assert all(CHECK.problem(argument) for argument in (*wrong, {"most": 5, "unit": "words"}))
