"""Values in messages: cut, escaped, on one line."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orchestrator.datasets.base import excerpt, type_name
from orchestrator.datasets.formats.base import optional_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("食谱", '"食谱"'),
        ("a\nb\x00\x1b[31m\u202e", '"a\\nb\\x00\\x1b[31m\\u202e"'),
        ("海" * 100, '"' + "海" * 80 + '…"'),
        (3, "3"),
        ({"a": "\u2028"}, "{'a': '\\u2028'}"),
    ],
)
def test_an_excerpt_is_safe_to_print(value: object, shown: str) -> None:
    assert excerpt(value) == shown


def test_a_value_without_end_is_told_all_the_same() -> None:
    """JSON may be nested deeper than Python can write."""
    assert excerpt(orjson.loads("[" * 1020 + "]" * 1020)) == "a list that is nested too deeply"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "true or false"),
        (1, "a number"),
        (1.5, "a number"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_types_are_named_in_words(value: Any, name: str) -> None:
    assert type_name(value) == name


def test_an_absent_and_a_null_text_are_empty() -> None:
    assert optional_text({}, "input") == optional_text({"input": None}, "input") == ""
