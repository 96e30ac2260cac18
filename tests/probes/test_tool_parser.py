"""Calls of the default format come back as calls, whole and in any pieces. vLLM itself is a stub."""
# Covers probes/engines/tool_parser.py

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PROBE = Path(__file__).parents[2] / "orchestrator/probes/engines/tool_parser.py"
CALL = 'Action: get_weather\nAction Input: {"city": "北京", "days": [1, {"a": "}"}]}'


class Record(SimpleNamespace):
    """A value of vLLM's protocol."""

    def model_dump(self, **_: object) -> dict[str, Any]:
        return dict(vars(self))


class StockParser:
    """As much of vLLM 0.32's ToolParser as the plug-in stands on."""

    def __init__(self) -> None:
        self.prev_tool_call_arr: list[dict[str, Any]] = []
        self.streamed_args_for_tool: list[str] = []
        self.current_tool_id, self.current_tool_name_sent = -1, False


@pytest.fixture
def parser_type(monkeypatch: pytest.MonkeyPatch) -> type[Any]:
    registered: dict[str, type[Any]] = {}

    def register(name: str, module: type[Any]) -> None:
        registered[name] = module

    protocol = ("DeltaFunctionCall", "DeltaMessage", "DeltaToolCall", "ExtractedToolCallInformation")
    members: dict[str, dict[str, Any]] = {
        "vllm.entrypoints.generate.base.protocol": dict.fromkeys(
            (*protocol, "FunctionCall", "ToolCall"), Record
        ),
        "vllm.entrypoints.openai.chat_completion.protocol": {"ChatCompletionRequest": Record},
        "vllm.renderers.chat_utils": {"make_tool_call_id": lambda: "call_1"},
        "vllm.tool_parsers.abstract_tool_parser": {
            "ToolParser": StockParser,
            "ToolParserManager": SimpleNamespace(register_module=register),
        },
    }
    for name, values in members.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    runpy.run_path(str(PROBE))
    return registered["conch_action"]


def whole(parser_type: type[Any], text: str) -> tuple[str, list[tuple[str, str]]]:
    told = parser_type().extract_tool_calls(text, None)
    return told.content or "", [(one.function.name, one.function.arguments) for one in told.tool_calls]


def streamed(parser_type: type[Any], pieces: list[str]) -> tuple[str, list[tuple[str, str]]]:
    parser, text, content = parser_type(), "", ""
    calls: list[list[str]] = []
    for piece in pieces:
        before, text = text, text + piece
        told = parser.extract_tool_calls_streaming(before, text, piece, [], [], [], None)
        content += (told.content or "") if told else ""
        for delta in told.tool_calls if told else ():
            if delta.index == len(calls):
                calls.append([delta.function["name"], ""])
                assert delta.id == "call_1"
            else:
                calls[delta.index][1] += delta.function["arguments"]
    assert parser.engine_based_streaming, "vLLM would not ask for what was held back"
    last = parser.finish_streaming()
    return content + (last.content if last else ""), [(name, text) for name, text in calls]


TEXTS = {
    CALL: ("", 1),
    f"我查一下。\n{CALL}": ("我查一下。\n", 1),
    f"{CALL}\n{CALL.replace('get_weather', '计算')}": ("", 2),
    "北京晴，21 度。": ("北京晴，21 度。", 0),
    # What begins like a call and becomes none is not lost at the end of a stream.
    "A": ("A", 0),
    "Action": ("Action", 0),
    "one\nAction: run": ("one\nAction: run", 0),
    "Action: run\nAction Input: fast": ("Action: run\nAction Input: fast", 0),
    "The Action: run\nAction Input: {}": ("The Action: run\nAction Input: {}", 0),
}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:20])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_stream_says_what_the_whole_answer_says(parser_type: type[Any], text: str, size: int) -> None:
    content, calls = whole(parser_type, text)
    assert (content, len(calls)) == TEXTS[text]
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert streamed(parser_type, pieces) == (content, calls)
    assert all(isinstance(json.loads(arguments), dict) for _, arguments in calls)


def test_a_call_that_was_cut_off_is_content_in_a_whole_answer(parser_type: type[Any]) -> None:
    cut = CALL[:-5]
    assert whole(parser_type, cut) == (cut, [])
    assert streamed(parser_type, list(cut))[1] == [("get_weather", cut.partition("Input: ")[2])]
