"""Where everything stands."""

from __future__ import annotations

import pytest

from orchestrator.recipe.document import Document, RecipeSource, parse, parse_value
from orchestrator.recipe.tree import Node


def tree(text: str) -> Node:
    document = parse(RecipeSource("x.yaml", text))
    assert document.root is not None, document.problems
    assert not document.problems
    return document.root


def test_places_are_counted_in_characters_from_one() -> None:
    root = tree("神奇: {海螺: [一, 二]}\r\nb:\r\n  - c: 1\r\n")
    inner = root.value["神奇"].value["海螺"]
    assert (inner.key_where, inner.where, inner.path) == ("x.yaml:1:6", "x.yaml:1:10", "神奇.海螺")
    second = inner.value[1]
    assert (second.where, second.path, second.value, second.text) == (
        "x.yaml:1:14",
        "神奇.海螺[1]",
        "二",
        "二",
    )
    deep = root.value["b"].value[0].value["c"]
    assert (deep.where, deep.key_where, deep.path) == ("x.yaml:3:8", "x.yaml:3:5", "b[0].c")


def test_plain_is_the_value_without_places() -> None:
    assert tree("a: [1, {b: on}]\non: 'on'\n2: |\n  x\n  y\n").plain == {
        "a": [1, {"b": True}],
        "on": "on",
        "2": "x\ny\n",
    }


def test_a_value_from_outside_stands_where_it_was_given() -> None:
    document = parse_value("{a: [1, x]}", where="--set k=…", path="k")
    assert document.root is not None
    assert document.root.plain == {"a": [1, "x"]}
    item = document.root.value["a"].value[1]
    assert (item.where, item.path) == ("--set k=…", "k.a[1]")
    assert parse_value("", where="w", path="k").root == Node(None, "w", path="k")


@pytest.mark.parametrize("text", ["a: b\u2028c", "a: b\u0085c", "a: \x1b[31m", "a: \x7f", "a: \ud800"])
def test_characters_that_would_move_or_hide_a_line(text: str) -> None:
    (problem,) = parse(RecipeSource("x.yaml", text)).problems
    assert problem.where.startswith("x.yaml:1:")
    assert "is not allowed in a recipe" in problem.what


@pytest.mark.parametrize("text", ["a: 'b\\u2028c'", 'a: "b\\u2028\\e[31mc"', "a: 🐚\ufeff", "# \u200f\na: b"])
def test_characters_that_may_be_there(text: str) -> None:
    tree(text)


def test_a_question_that_looks_like_yaml_says_quote_it() -> None:
    for text, hint in (
        ("a: *what*", "in quotes"),
        ("a: @you", "in quotes"),
        ("a: &b", "in quotes"),
        ("a: !b", "in quotes"),
    ):
        problems = parse(RecipeSource("x.yaml", text)).problems
        assert hint in problems[0].hint


def test_many_problems_end() -> None:
    document = parse(RecipeSource("x.yaml", "a: ${x}\n" * 1000))
    assert 1 < len(document.problems) <= 20
    assert document == Document(None, document.problems)


def test_parsing_twice_is_parsing_once() -> None:
    assert parse(RecipeSource("x.yaml", "a: 1")) is parse(RecipeSource("x.yaml", "a: 1"))
