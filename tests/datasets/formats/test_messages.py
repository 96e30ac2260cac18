"""Lists of messages: both spellings, the roles' other names, and what may stand beside a text."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats.messages import messages_in, read_turns, role_of, tags_of

OPENAI = {"messages": "m", "role": "role", "content": "content"}


@pytest.mark.parametrize(
    ("written", "role"),
    [
        ("user", "user"),
        (" Human ", "user"),
        ("GPT", "assistant"),
        ("用户", "user"),
        ("developer", "system"),
        ("tool", "observation"),
        ("function", "observation"),
        ("function_call", "function_call"),
    ],
)
def test_the_usual_names_of_the_roles_are_understood(written: str, role: str) -> None:
    assert role_of(written) == role


@pytest.mark.parametrize("written", ["bot", "", "旁白"])
def test_another_name_is_refused_with_those_that_are_known(written: str) -> None:
    with pytest.raises(RowProblem) as caught:
        role_of(written)
    assert caught.value.kind == "unknown role"
    assert "human" in caught.value.hint


def test_the_value_that_a_repair_may_change_is_named() -> None:
    row = {"m": [{"role": "user", "content": 3}]}
    with pytest.raises(RowProblem) as caught:
        read_turns(row, OPENAI, "…")
    assert caught.value.inside is row["m"][0]
    assert caught.value.column == "content"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"conversations": [{"from": "human"}]}, ("conversations", "from", "value")),
        ({"messages": [{"role": "user"}]}, ("messages", "role", "content")),
        ({"conversations": [{"role": "user"}]}, ("conversations", "role", "content")),
        ({"conversation": [{"role": "user"}], "language": "zh"}, ("conversation", "role", "content")),
        ({"messages": []}, None),
        ({"messages": "[]"}, None),
        ({"messages": [{"who": "user"}]}, None),
    ],
)
def test_what_the_parts_are_called_is_seen_in_the_first_message(row: dict[str, Any], found: Any) -> None:
    keys = dict(zip(("messages", "role", "content"), found or (), strict=False))
    assert messages_in(row) == keys
    assert tags_of(None) == tags_of([]) == {}
