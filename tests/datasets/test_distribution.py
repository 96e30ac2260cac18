"""Percentiles are exact, and bins count every value once, whatever the values are."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.distribution import MOST_BINS, Distribution


def spread(*values: int) -> Distribution:
    return Distribution(Counter(values))


def test_percentiles_are_those_of_the_sorted_values() -> None:
    found = spread(*range(1, 101))
    assert [found.percentile(percent) for percent in (1, 50, 99, 100)] == [1, 50, 99, 100]
    assert spread(5).percentile(99) == 5
    assert spread().percentile(50) == 0


def test_what_exceeds_a_limit_is_counted() -> None:
    assert spread(1, 2, 2, 3, 9).above(2) == 2


def test_bins_are_round_and_the_last_takes_what_lies_beyond() -> None:
    found = spread(*([7] * 300), *range(230), 1_000_000).histogram()
    assert {each["to"] - each["from"] + 1 for each in found[:-1]} == {10}
    assert found[-1]["to"] == 1_000_000
    assert found[-1]["count"] == 1
    assert found[0] == {"from": 0, "to": 9, "count": 310}


def test_few_different_values_are_bins_of_one() -> None:
    assert spread(1, 1, 3).histogram() == [
        {"from": 1, "to": 1, "count": 2},
        {"from": 2, "to": 2, "count": 0},
        {"from": 3, "to": 3, "count": 1},
    ]


def test_nothing_has_no_numbers() -> None:
    said = spread().to_json()
    assert said == {"count": 0, "least": None, "most": None, "mean": None, "percentiles": {}, "histogram": []}


@given(st.lists(st.integers(0, 10**7), min_size=1))
def test_every_value_is_in_one_bin(values: list[int]) -> None:
    found = spread(*values).histogram()
    assert sum(each["count"] for each in found) == len(values)
    assert len(found) <= MOST_BINS
    for each in found:
        assert each["count"] == sum(each["from"] <= value <= each["to"] for value in values)


@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([50, 90, 99]))
def test_a_percentile_is_not_exceeded_by_that_many(values: list[int], percent: int) -> None:
    found = spread(*values)
    limit = found.percentile(percent)
    assert sum(value <= limit for value in values) * 100 >= percent * len(values)
    assert sum(value < limit for value in values) * 100 < percent * len(values)


@pytest.mark.parametrize("value", [0, 1, 999])
def test_one_value_is_one_bin(value: int) -> None:
    assert [(each["from"], each["count"]) for each in spread(value, value).histogram()] == [(value, 2)]
