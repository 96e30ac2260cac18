"""What a plain scalar means."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.recipe.scalars import resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("Off", False),
        ("YES", True),
        ("tRuE", "tRuE"),
        ("", None),
        ("~", None),
        ("null", None),
        ("none", "none"),
        ("1", 1),
        ("-1_000", -1000),
        ("0x1F", 31),
        ("1e-4", 1e-4),
        ("1.", 1.0),
        ("-.5E+3", -500.0),
        ("-.inf", -math.inf),
        ("inf", "inf"),
        ("007", "007"),
        ("0o7", "0o7"),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("1__0", "1__0"),
        ("٣", "٣"),
        ("9" * 65, "9" * 65),
    ],
)
def test_a_scalar(text: str, value: object) -> None:
    found = resolve(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number() -> None:
    assert math.isnan(float(resolve(".nan") or 0))


@given(st.text("0123456789._-+exXaAfFnNiI:\u0663 ", max_size=80))
def test_nothing_raises(text: str) -> None:
    resolve(text)


@given(st.floats(allow_nan=False) | st.integers(-(10**60), 10**60))
def test_numbers_read_back(number: float) -> None:
    text = repr(number).replace("inf", ".inf")
    assert resolve(text) == number
