"""streamed: the pieces make the whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks.streamed import CHECK
from orchestrator.results import Turn
from tests.checks.room import CASE, FOLLOW_UP, said, turn


def both(content: str = "好", reasoning: str = "", token_ids: tuple[int, ...] = ()) -> Turn:
    return turn(
        content,
        reasoning=reasoning,
        token_ids=token_ids,
        streamed=True,
        streamed_content=content,
        streamed_reasoning=reasoning,
        streamed_token_ids=token_ids,
    )


@given(st.text(), st.text(), st.lists(st.integers(0)))
def test_the_same_both_ways_passes(content: str, reasoning: str, ids: list[int]) -> None:
    assert CHECK.judge(CASE, True, said(both(content, reasoning, tuple(ids)))).passed


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (turn("好", streamed=True, streamed_content="坏"), 'whole "好", streamed "坏"'),
        (turn("好", streamed=True, streamed_content="好\n"), "streamed"),
        (turn("", reasoning="a", streamed=True, streamed_reasoning="b"), "thinking whole"),
        (
            turn("好", token_ids=(1,), streamed=True, streamed_content="好", streamed_token_ids=(2,)),
            "token ids whole [1], streamed [2]",
        ),
        (turn("好"), "it was not asked with streaming"),
        (turn(error="with stream=true: cut"), "with stream=true: cut"),
    ],
)
def test_a_difference_does_not(other: Turn, why: str) -> None:
    found = CHECK.judge(FOLLOW_UP, True, said(both(), other))
    assert not found.passed
    assert found.reason.startswith("turn 2: ")
    assert why in found.reason


def test_ids_that_came_one_way_only_are_not_compared() -> None:
    one = turn("好", token_ids=(1, 2), streamed=True, streamed_content="好")
    assert CHECK.judge(CASE, True, said(one)).passed


def test_it_wants_streaming_and_no_argument() -> None:
    assert [asked.streamed for asked in CHECK.prompts(CASE, True)] == [True]
    assert not CHECK.judge(CASE, True, []).passed
    assert CHECK.problem(1)
