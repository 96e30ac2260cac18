"""Tools in the written templates: as LLaMA-Factory 0.9.5 trains them. The ids are proven in tests/probes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from orchestrator.probes.spellings import NEXT_RESULT, request_of
from orchestrator.templates.families import layouts
from orchestrator.templates.generated_tools import conversations_with_tools
from orchestrator.templates.writer import settings_of, write_jinja

# Covers templates/tool_formats.py
# Covers templates/generated_tools.py
# Covers templates/families/

WEATHER = {
    "name": "get_weather",
    "description": "查天气",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "城市"},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "days": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["city"],
    },
}
TOOLS = [{"type": "function", "function": WEATHER}]
CALL = {"function": {"name": "get_weather", "arguments": {"city": "北京", "unit": "C"}}}
GIVEN = '{"city": "北京", "unit": "C"}'


def compiled(text: str) -> Template:
    """A template as transformers compiles it for vLLM."""

    def tojson(value: object, indent: int | None = None) -> str:
        # As transformers defines it for chat templates.
        return json.dumps(value, ensure_ascii=False, indent=indent)

    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    world.filters["tojson"] = tojson
    world.globals["strftime_now"] = lambda _: "01 Dec 2026"
    world.globals["raise_exception"] = pytest.fail
    return world.from_string(text)


def rendered(training: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> str:
    text = write_jinja(training, *settings_of(training, "on", "keep"))
    values: dict[str, Any] = {"bos_token": "<bos>", "eos_token": "<eos>", "add_generation_prompt": True}
    return compiled(text).render(messages=messages, tools=tools, **values)


ASKED = {"role": "user", "content": "天气？"}
CALLED = {"role": "assistant", "content": "", "tool_calls": [CALL, CALL]}
RESULTS = [{"role": "tool", "content": "晴"}, {"role": "tool", "content": "雨"}]
DEFAULT = """You have access to the following tools:
> Tool Name: get_weather
Tool Description: 查天气
Tool Args:
  - city (string, required): 城市
  - unit (string): , should be one of [C, F]
  - days (array): , where each item should be integer

Use the following format if using a tool:
```
Action: tool name (one of [get_weather])
Action Input: the input to the tool, in a JSON format representing the kwargs (e.g. ```{"input": "hello world", "num_beams": 5}```)
```
"""  # noqa: E501 - the trainer's own words


def test_the_default_format_declares_calls_and_answers() -> None:
    told = rendered("deepseek3", [ASKED, CALLED, *RESULTS], TOOLS)
    call = f"Action: get_weather\nAction Input: {GIVEN}"
    assert told == (
        f"<bos>{DEFAULT}<｜User｜>天气？<｜Assistant｜>{call}\n{call}<eos>"
        f"<｜User｜>晴{NEXT_RESULT}雨<｜Assistant｜>"
    )


def test_the_format_of_qwen() -> None:
    told = rendered("qwen3_nothink", [ASKED, {**CALLED, "content": "我查。"}, RESULTS[0]], TOOLS)
    call = f'<tool_call>\n{{"name": "get_weather", "arguments": {GIVEN}}}\n</tool_call>'
    declared = json.dumps(TOOLS[0], ensure_ascii=False)
    assert f"<tools>\n{declared}\n</tools>\n\nFor each function call, return a json object" in told
    assert told.endswith(
        f"<|im_start|>assistant\n我查。\n{call}\n{call}<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\n晴\n</tool_response><|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_format_of_llama3_names_the_day() -> None:
    told = rendered("llama3", [ASKED, {**CALLED, "tool_calls": [CALL]}, RESULTS[0]], TOOLS)
    assert "Today Date: 01 Dec 2026\n\nYou have access to the following functions." in told
    assert json.dumps(TOOLS[0], ensure_ascii=False, indent=4) + "\n\n<|eot_id|>" in told
    assert f'\n\n{{"name": "get_weather", "parameters": {GIVEN}}}<|eot_id|>' in told
    assert "<|start_header_id|>ipython<|end_header_id|>\n\n晴<|eot_id|>" in told


@pytest.mark.parametrize("training", sorted(layouts()))
def test_a_request_is_told_alike_whatever_it_leaves_out_or_adds(training: str) -> None:
    """Rows are completed when they are prepared, so the templates complete requests."""
    bare = {"name": "now"}
    full = {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}
    plain, more = ({"type": "function", "function": one} for one in (bare, {"strict": True, **full}))
    assert rendered(training, [ASKED], [plain]) == rendered(training, [ASKED], [more])
    written = {"function": {**CALL["function"], "arguments": GIVEN}}
    text = {"role": "assistant", "content": "", "tool_calls": [written]}
    parsed = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert rendered(training, [ASKED, text], TOOLS) == rendered(training, [ASKED, parsed], TOOLS)


@pytest.mark.parametrize("training", sorted(layouts()))
def test_generated_conversations_render_in_every_family(training: str) -> None:
    made = conversations_with_tools(3, 30, thoughts=True)
    assert {one["role"] for row in made for one in row} >= {"tools", "function_call", "observation", "system"}
    for row in made:
        tools, messages = request_of(row)
        told = rendered(training, messages, tools)
        assert layouts()[training].tools.mark in told
        assert all(tool["function"]["name"] in told for tool in tools)


@pytest.mark.parametrize("training", sorted(layouts()))
def test_no_template_uses_what_llama_cpp_lacks(training: str) -> None:
    text = write_jinja(training, *settings_of(training, "on", "keep"))
    assert "| replace" not in text
    assert ".replace(" not in text
