"""openai rows: parts of text, thoughts beside the answer, calls of tools, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import openai


def read(*messages: Any, **row: Any) -> list[dict[str, str]]:
    return openai.read({"messages": list(messages), **row}, openai.columns)


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_messages_stay_as_they_are() -> None:
    messages = [said("system", "s"), said("user", " 问 \n"), said("assistant", "答\r\n")]
    assert read(*messages) == messages


def test_a_developer_is_the_system() -> None:
    assert read(said("developer", "s"))[0]["role"] == "system"


def test_a_call_is_a_turn_whose_arguments_are_json() -> None:
    """LLaMA-Factory's own reader of this shape writes the arguments as JSON inside a text."""
    call = {"id": "1", "type": "function", "function": {"name": "天气", "arguments": '{"城市": "北京"}'}}
    told = read(
        said("user", "冷吗"),
        said("assistant", None, tool_calls=[call]),
        said("tool", "零度", tool_call_id="1"),
        said("assistant", "冷。"),
    )
    assert [message["role"] for message in told] == ["user", "function_call", "observation", "assistant"]
    assert json.loads(told[1]["content"]) == {"name": "天气", "arguments": {"城市": "北京"}}
    assert "北京" in told[1]["content"]


def test_several_calls_are_a_list() -> None:
    calls = [{"function": {"name": name, "arguments": {}}} for name in "ab"]
    told = read(said("assistant", "", tool_calls=calls))
    assert [call["name"] for call in json.loads(told[0]["content"])] == ["a", "b"]


def test_parts_of_text_are_joined_by_lines() -> None:
    parts = [{"type": "text", "text": "一"}, {"type": "text", "text": "二"}]
    assert read(said("user", parts))[0]["content"] == "一\n二"


def test_a_thought_beside_the_answer_is_spelled_as_the_trainer_spells_it() -> None:
    for key in ("reasoning_content", "reasoning", "thinking"):
        told = read(said("assistant", "\n\n九点。", **{key: "\n想想\n"}))
        assert told[0]["content"] == "<think>\n想想\n</think>\n\n九点。"
    twice = read(said("assistant", "九点。", reasoning="想", reasoning_content="想", weight=1))
    assert twice[0]["content"] == "<think>\n想\n</think>\n\n九点。"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("你好", "shape"),
        (said("bot", "a"), "unknown role"),
        (said("user", None), "null"),
        (said("user", 3), "not text"),
        ({"role": "user"}, "missing key"),
        (said("user", [{"type": "image_url", "image_url": {}}]), "image"),
        (said("user", [{"type": "file", "file": {}}]), "unread part"),
        (said("user", ["a"]), "not text"),
        (said("user", [{"type": []}]), "unread part"),
        (said("user", []), "not text"),
        (said("assistant", None, tool_calls=[{"id": "1"}]), "function call"),
        (
            said("assistant", None, tool_calls=[{"function": {"name": "f", "arguments": "{"}}]),
            "function call",
        ),
        (
            said("assistant", None, tool_calls=[{"function": {"name": "f", "arguments": "[1]"}}]),
            "function call",
        ),
        (said("assistant", None, tool_calls="f()"), "function call"),
        (said("user", None, tool_calls=[{"function": {"name": "f"}}]), "shape"),
        (said("assistant", "<think>\na\n</think>\n\nb", reasoning_content="c"), "thought"),
        (said("assistant", "b", reasoning_content=["c"]), "not text"),
        (said("assistant", "b", reasoning="c", thinking="d"), "thought"),
        (said("assistant", "b", weight=0), "unread weight"),
    ],
)
def test_what_would_be_lost_is_refused(message: Any, kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read(message)
    assert caught.value.kind == kind


@pytest.mark.parametrize("row", [{"messages": None}, {"messages": "嗯"}, {"dialog": []}])
def test_another_shape_is_refused(row: dict[str, Any]) -> None:
    with pytest.raises(RowProblem, match="a row is"):
        openai.read(row, openai.columns)


def test_sniffs_its_own_shape_only() -> None:
    assert openai.sniff({"messages": [said("user", "a")]})
    assert openai.sniff({"conversations": [said("user", "a")]})
    assert not openai.sniff({"messages": [{"from": "human"}]})
    assert not openai.sniff({"messages": "[]"})
