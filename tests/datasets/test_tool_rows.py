"""Tools in rows: declarations are completed, calls are written as LLaMA-Factory reads them."""

from __future__ import annotations

import json

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.faults import faults
from orchestrator.datasets.formats import openai, sharegpt
from orchestrator.datasets.targets import conversations_in, sharegpt_row
from orchestrator.datasets.tool_rows import calls_in, read_call
from orchestrator.datasets.warnings import warnings_of
from orchestrator.probes.spellings import NEXT_RESULT, split_call

# Covers datasets/formats/messages.py

WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALL = '{"name": "weather", "arguments": {"city": "北京"}}'


def turns(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": role, "value": text} for role, text in pairs]


def row(*pairs: tuple[str, str], tools: object = None) -> dict[str, object]:
    return {"conversations": turns(*pairs), "tools": [WEATHER] if tools is None else tools}


ASKED = ("human", "北京天气？")
WHOLE = (ASKED, ("function_call", CALL), ("observation", "晴"), ("gpt", "晴天。"))


@pytest.mark.parametrize("tools", [[WEATHER], json.dumps([{"type": "function", "function": WEATHER}])])
def test_tools_in_any_spelling_are_completed_and_written_beside_the_messages(tools: object) -> None:
    read = sharegpt.read(row(*WHOLE, tools=tools), sharegpt.columns)
    assert [one["role"] for one in read] == ["tools", "user", "function_call", "observation", "assistant"]
    [tool] = json.loads(read[0]["content"])
    assert list(tool) == ["type", "function"]
    assert list(tool["function"]) == ["name", "description", "parameters"]
    assert tool["function"]["description"] == ""
    written = sharegpt_row(read)
    assert list(written) == ["messages", "tools"]
    assert list(conversations_in(written)) == [("", read)]
    assert not list(faults(read))
    assert not list(warnings_of(read))


@pytest.mark.parametrize("tools", ["", "[]", [], " "])
def test_a_row_may_declare_no_tools(tools: object) -> None:
    assert sharegpt.read(row(ASKED, ("gpt", "晴"), tools=tools), sharegpt.columns)[0]["role"] == "user"


@pytest.mark.parametrize(
    ("tools", "what"),
    [
        ("[{]", "is not JSON"),
        ({"name": "f"}, "not a list"),
        ([{"description": "f"}], "has no name"),
        ([{"name": "f", "parameters": {"properties": []}}], "not an object"),
        ([{"name": "f", "parameters": {"properties": {"x": "text"}}}], "not an object"),
        ([{"name": "f", "parameters": {"properties": {"x": {"enum": [1]}}}}], "not a list of texts"),
        ([{"name": "f", "description": 3}], "not text"),
    ],
)
def test_declarations_that_end_a_training_are_refused(tools: object, what: str) -> None:
    with pytest.raises(RowProblem, match=what) as refused:
        sharegpt.read(row(*WHOLE, tools=tools), sharegpt.columns)
    assert refused.value.kind == "tools"


@pytest.mark.parametrize(
    "call",
    [
        "weather(北京)",
        '{"name": "weather", "arguments": "北京"}',
        '{"name": "weather", "arguments": "[1]"}',
        '{"arguments": {}}',
        "[]",
        '{"name": "weather", "arguments": {"city": "</tool_call>"}}',
    ],
)
def test_arguments_that_are_no_json_object_are_refused(call: str) -> None:
    with pytest.raises(RowProblem) as refused:
        sharegpt.read(
            row(ASKED, ("function_call", call), ("observation", "晴"), ("gpt", "a")), sharegpt.columns
        )
    assert refused.value.kind == "function call"


def test_arguments_as_text_are_decoded_because_they_would_be_escaped_twice() -> None:
    call = read_call('{"name": "f", "arguments": "{\\"a\\": 1}"}')
    assert call["content"] == '{"name": "f", "arguments": {"a": 1}}'


def test_a_thought_stands_before_the_json_and_text_before_a_mark() -> None:
    assert read_call(f"<think>\n想\n</think>\n\n{CALL}")["content"] == f"<think>\n想\n</think>\n\n{CALL}"
    said = read_call(f"我查一下。<tool_call>{CALL}</tool_call>\n<tool_call>{CALL}</tool_call>")["content"]
    # LLaMA-Factory would train the second mark as text in front of the first call.
    assert said == f"我查一下。\n<tool_call>[{CALL}, {CALL}]</tool_call>"
    assert split_call(said)[0] == "我查一下。\n"
    assert [one["name"] for one in calls_in(said)] == ["weather", "weather"]


def test_openai_rows_and_content_in_parts_say_the_same() -> None:
    called = [
        {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}}
    ]
    spelled = {"role": "assistant", "content": None, "reasoning_content": "查", "tool_calls": called}
    parts = [{"type": "reasoning", "value": "查"}, {"type": "tool_call", "value": CALL}]
    for call in (spelled, {"role": "assistant", "content": parts}):
        messages = [
            {"role": "user", "content": [{"type": "text", "value": "北京天气？"}]},
            call,
            {"role": "tool", "content": "晴", "tool_call_id": "1"},
            {"role": "tool", "content": "零度", "tool_call_id": "2"},
            {"role": "assistant", "content": "晴，零度。"},
        ]
        read = openai.read({"messages": messages, "tools": [WEATHER]}, openai.columns)
        assert [one["role"] for one in read] == ["tools", "user", "function_call", "observation", "assistant"]
        assert read[2]["content"] == f"<think>\n查\n</think>\n\n{CALL}"
        assert read[3]["content"] == f"晴{NEXT_RESULT}零度"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((ASKED, ("gpt", "好"), ("observation", "晴"), ("gpt", "晴天。")), "result without a call"),
        (
            (ASKED, ("function_call", CALL.replace("weather", "time")), ("observation", "1"), ("gpt", "a")),
            "call of an undeclared tool",
        ),
        ((ASKED, ("function_call", CALL), ASKED, ("gpt", "a")), "call without a result"),
    ],
)
def test_what_no_request_could_hold_is_a_warning(said: tuple[tuple[str, str], ...], kind: str) -> None:
    read = sharegpt.read(row(*said), sharegpt.columns)
    assert [one for one, _ in warnings_of(read)] == [kind]
