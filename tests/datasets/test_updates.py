"""The rule of how long added rows are trained."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.updates import LEAST, LEAST_PASSES, MOST_PASSES, PLATEAU, Updates


def test_fault_172_five_rows_are_trained_for_more_than_eleven_steps() -> None:
    assert Updates(5, 100, 8).updates == LEAST
    assert [Updates(rows, 20 * rows, 8).updates for rows in (20, 56, 200)] == [48, 112, 400]


def test_only_few_rows_end_early() -> None:
    assert [Updates(rows, 20 * rows, 8).plateau for rows in (5, 56, 200)] == [PLATEAU, PLATEAU, 0]


@pytest.mark.parametrize(
    ("rows", "tokens", "epochs"),
    [
        (20_000, 4_000_000, LEAST_PASSES),
        (2000, 40_000, 8),
        (200, 60_000, 6),
        (1, 5, LEAST),
        (1, 10**6, LEAST),
    ],
)
def test_more_text_is_read_less_often(rows: int, tokens: int, epochs: int) -> None:
    assert Updates(rows, tokens, 8).epochs == epochs


@given(st.integers(1, 10**7), st.integers(0, 10**10), st.integers(1, 512))
def test_the_rule_has_bounds(rows: int, tokens: int, batch: int) -> None:
    rule = Updates(rows, tokens, batch)
    assert rule.updates >= LEAST
    assert rule.epochs >= LEAST_PASSES
    assert rule.epochs <= max(LEAST, MOST_PASSES)
