"""JSON with places: what the JSON reader reads, and where it stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.json_places import read_json
from orchestrator.errors import UsageError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_a_key_and_its_value_have_their_place() -> None:
    root, problems = read_json('{\n  "海螺": {"a": [1,\n   true]}}', "i.json")
    conch = root.value["海螺"]
    assert (conch.key_where, conch.where) == ("i.json:2:3", "i.json:2:9")
    assert [item.where for item in conch.value["a"].value] == ["i.json:2:16", "i.json:3:4"]
    assert root.plain == {"海螺": {"a": [1, True]}}
    assert problems == []


def test_a_key_that_stands_twice_is_told_and_the_last_counts() -> None:
    root, (problem,) = read_json('{"a": 1,\n "a": 2}', "i.json")
    assert root.plain == {"a": 2}
    assert (problem.where, problem.what) == (
        "i.json:2:2",
        'duplicate key "a"; the first one is on line 1',
    )


@pytest.mark.parametrize(
    ("text", "where", "says"),
    [
        ('\ufeff{"a": 1}', "i.json:1:1", "byte order mark"),
        ('{\n "a": 1,\n}', "i.json:", "a trailing comma"),
        ('{"a": [1, 2,]}', "i.json:1:", "a trailing comma"),
        ('{"a": 1, // so\n "b": 2}', "i.json:1:10", "a comment"),
        ("{'a': 1}", "i.json:1:2", "single quotes"),
        ('{"a": 1', "i.json:1:8", "not JSON"),
        ("", "i.json:1:1", "not JSON"),
        ("[" * 100_000, "i.json", "nested too deeply"),
        ("9" * 5000, "i.json", "not JSON"),
    ],
)
def test_text_that_is_no_json_is_refused_with_its_place(text: str, where: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        read_json(text, "i.json")
    assert caught.value.problems[0].where.startswith(where)


@given(VALUES, st.sampled_from([None, 2]))
def test_the_tree_holds_what_the_text_says(value: object, indent: int | None) -> None:
    assert read_json(json.dumps(value, indent=indent, ensure_ascii=False), "i.json")[0].plain == value
