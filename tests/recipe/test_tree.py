"""Building a tree of events: limits, and what is refused on the way."""

from __future__ import annotations

import pytest

from orchestrator.errors import Problem
from orchestrator.recipe.document import RecipeSource, parse
from orchestrator.recipe.tree import DEPTH_LIMIT, KEY_LIMIT


def problems(text: str) -> list[Problem]:
    return list(parse(RecipeSource("x", text)).problems)


def test_the_depth_that_is_allowed_and_the_one_that_is_not() -> None:
    # The mapping around it is one level.
    assert not problems("a: " + "[" * (DEPTH_LIMIT - 1) + "]" * (DEPTH_LIMIT - 1))
    (problem,) = problems("a: " + "[" * DEPTH_LIMIT + "]" * DEPTH_LIMIT)
    assert problem.what == f"nested deeper than {DEPTH_LIMIT} levels"
    assert problem.where == f"x:1:{DEPTH_LIMIT + 3}"


def test_the_key_that_is_allowed_and_the_one_that_is_not() -> None:
    assert not problems("k" * KEY_LIMIT + ": 1")
    assert problems("k" * (KEY_LIMIT + 1) + ": 1")


@pytest.mark.parametrize("text", ["? [a]\n: 1", "{a: 1}: 2", '"a\\nb": 1', "*a : 1", "? {a: b}"])
def test_what_is_not_a_key(text: str) -> None:
    assert "a key must be" in problems(text)[-1].what


@pytest.mark.parametrize("text", ["&a b: 1", "a: &b c", "a: &b [c]", "a: &b {c: d}"])
def test_anchors_are_refused_wherever_they_are(text: str) -> None:
    assert "recipes do not support anchors" in problems(text)[0].what


@pytest.mark.parametrize("text", ["!!str a: 1", "a: !x b", "a: !!set {b}", "a: ! b", "--- !!map\na: 1"])
def test_tags_are_refused_wherever_they_are(text: str) -> None:
    assert "recipes do not support tags" in problems(text)[0].what


@pytest.mark.parametrize("text", ["a: ${b}", "${a}: b", "a: [b, 'x${c}']", 'a: "\\x24{b}"', "a: |\n  ${b}\n"])
def test_interpolation_is_refused_wherever_it_is(text: str) -> None:
    assert "interpolation" in problems(text)[0].what


@pytest.mark.parametrize("text", ["a: $b", "a: $$ {b}", "a: '{{ b }}'", "# ${b}\na: 1", "a: 5$"])
def test_a_dollar_is_not_interpolation(text: str) -> None:
    assert not problems(text)


def test_a_duplicate_is_found_in_every_mapping_and_the_last_value_stays() -> None:
    document = parse(RecipeSource("x", "a: {b: 1, b: 2}\nc:\n  - {d: 1}\n  - {d: 1}\na: 3\n"))
    assert [(problem.where, problem.what) for problem in document.problems] == [
        ("x:1:11", "a.b: duplicate key; the first one is on line 1"),
        ("x:5:1", "a: duplicate key; the first one is on line 1"),
    ]
    assert document.root is not None
    assert document.root.plain == {"a": 3, "c": [{"d": 1}, {"d": 1}]}
