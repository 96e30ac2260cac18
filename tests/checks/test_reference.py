"""A row's own answer in the place of an argument."""

from __future__ import annotations

from orchestrator.checks import problems_of
from orchestrator.checks.reference import with_reference


def test_it_stands_where_none_is_given() -> None:
    expect = {"similar": {"least": 0.5}, "equals": None, "contains": "reference", "stops": True}
    filled = with_reference(expect, "好")
    assert filled == {
        "similar": {"to": "好", "least": 0.5},
        "equals": "好",
        "contains": "好",
        "stops": True,
    }
    assert problems_of(filled) == []


def test_what_is_given_stays() -> None:
    expect = {
        "similar": {"to": "坏", "least": 0.5},
        "equals": "坏",
        "contains": ["坏"],
        "any_of": ["reference"],
    }
    assert with_reference(expect, "好") == expect


def test_what_is_wrong_stays_wrong() -> None:
    assert problems_of(with_reference({"similar": 0.5, "contains": 3}, "好")) != []
