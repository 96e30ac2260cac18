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


V1 = {"messages": "messages", "role": "role", "content": "content"}


def part(kind: str, value: str) -> dict[str, str]:
    return {"type": kind, "value": value}


def test_content_parts_of_llamafactory_v1_are_the_message_that_they_stand_for() -> None:
    said: list[dict[str, Any]] = [
        {"role": "user", "content": [part("text", "几点"), part("text", "开门？")], "loss_weight": 0.0},
        {
            "role": "assistant",
            "content": [part("reasoning", "想"), part("text", "九点。")],
            "loss_weight": 1.0,
        },
    ]
    assert read_turns({"messages": said}, V1, "…") == [
        {"role": "user", "content": "几点\n开门？"},
        {"role": "assistant", "content": "<think>\n想\n</think>\n\n九点。"},
    ]


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        ({"content": [part("text", "a")], "loss_weight": 0.0}, "unread weight"),
        ({"content": [part("text", "a")], "loss_weight": 0.5}, "unread weight"),
        ({"content": [part("image_url", "a.jpg")]}, "image"),
        ({"content": [part("thought", "a")]}, "unread part"),
        ({"content": [{"type": "text", "value": 3}]}, "unread part"),
        ({"content": [{"type": ["text"], "value": "a"}]}, "unread part"),
        ({"content": [part("tool_call", "not JSON")]}, "function call"),
    ],
)
def test_parts_that_would_be_trained_otherwise_are_refused(turn: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read_turns({"messages": [{"role": "assistant", **turn}]}, V1, "…")
    assert caught.value.kind == kind
