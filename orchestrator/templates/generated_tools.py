"""Generates conversations with tools from a seed: declarations, calls, results and answers of every shape.

Chinese and English; one to four tools, with and without parameters, enums, lists, nested objects and
descriptions; calls alone, several at once, after a thought or after text; one result or several; arguments
of every JSON type; answers that follow results, and questions that need no call. Written as rows are
prepared (datasets/tool_rows.py).
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

from orchestrator.probes.spellings import NEXT_RESULT
from orchestrator.templates.generated import SYSTEMS, TEXTS, THOUGHTS, Message
from orchestrator.templates.writer import THOUGHT_CLOSES, THOUGHT_OPENS

_TEXT = {"type": "string", "description": "地名，例如 比奇堡"}
_TOOLS: tuple[dict[str, Any], ...] = (
    {
        "name": "get_weather",
        "description": "查询一个城市的天气",
        "parameters": {
            "type": "object",
            "properties": {"city": _TEXT, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city"],
        },
    },
    {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}},
    {
        "name": "order_food",
        "description": 'Orders food at "The Krusty Krab" <b>now</b> & pays',
        "parameters": {
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"type": "string"}, "description": "what to order"},
                "quantity": {"type": "integer", "minimum": 1, "default": 1},
                "options": {"type": "object", "properties": {"加辣": {"type": "boolean"}}},
                "note": {"description": "free text\nof several lines"},
            },
            "required": ["items", "quantity"],
        },
    },
    {
        "name": "计算",
        "description": "计算一个算式的值；支持 + - * / 和括号",
        "parameters": {"properties": {"expression": {"type": "string"}}, "type": "object"},
    },
    {
        "name": "search-web_2",
        "description": 'Search. Returns at most `limit` results (e.g. {"limit": 3}).',
        "parameters": {
            "type": "object",
            "properties": {
                "q": {"type": ["string", "null"], "description": "query"},
                "limit": {"type": "number"},
            },
            "required": [],
            "additionalProperties": False,
        },
    },
)
_VALUES: tuple[object, ...] = (
    *("北京", "", 'a "quoted" text', "two\nlines\t", "C:\\temp", "🦀", "</b> & <i>", "3.0", "null"),
    *(1, -7, 3.5, 1e-07, 1e22, 2.0, 12345678901234567890, True, False, None),
    *([], ["蟹堡", 2, None], {}, {"加辣": True, "b": {"c": [1.5]}}),
)
_RESULTS = (
    '{"temp": 21, "天气": "晴"}',
    "晴，21 度",
    "",
    "  spaces around  ",
    "first\n\nthird\n",
    "Error: 404 <not found> & nothing else",
    "[]",
    "{{idx}} 和 {% raw %}",
    "🍔" * 3,
)
_BEFORE = ("我查一下。\n", "Let me check that for you.\n", "One moment:\n\n", "先看天气，再算总价。\n")
MAX_ROUNDS = 3
SYSTEM_SHARE, THOUGHT_SHARE, CALL_SHARE, TEXT_SHARE = 0.4, 0.5, 0.75, 0.2


def conversations_with_tools(seed: int, count: int, thoughts: bool) -> list[list[Message]]:  # noqa: FBT001
    """`count` conversations; the same for the same seed.

    >>> conversations_with_tools(7, 2, thoughts=False) == conversations_with_tools(7, 2, thoughts=False)
    True
    """
    chance = random.Random(seed)  # noqa: S311 - variety, not secrecy
    return [_conversation(chance, thoughts=thoughts) for _ in range(count)]


def _conversation(chance: random.Random, *, thoughts: bool) -> list[Message]:
    tools = chance.sample(_TOOLS, chance.randint(1, 4))
    declared = [{"type": "function", "function": tool} for tool in tools]
    messages: list[Message] = [{"role": "tools", "content": json.dumps(declared, ensure_ascii=False)}]
    if chance.random() < SYSTEM_SHARE:
        messages.append({"role": "system", "content": chance.choice(SYSTEMS)})
    for _ in range(chance.randint(1, MAX_ROUNDS)):
        messages.append({"role": "user", "content": chance.choice(TEXTS)})
        while chance.random() < CALL_SHARE:
            calls = [_call(chance, chance.choice(tools)) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
            messages.append({"role": "function_call", "content": _called(chance, calls, thoughts=thoughts)})
            results = [chance.choice(_RESULTS) for _ in calls][: chance.choice((1, len(calls)))]
            messages.append({"role": "observation", "content": NEXT_RESULT.join(results)})
        # Leading white space of an answer is unreachable for some families (generated.py).
        answer = _thought(chance, thoughts=thoughts) + chance.choice(TEXTS).lstrip()
        messages.append({"role": "assistant", "content": answer})
    return messages


def _thought(chance: random.Random, *, thoughts: bool) -> str:
    if thoughts and chance.random() < THOUGHT_SHARE:
        return THOUGHT_OPENS + chance.choice(THOUGHTS) + THOUGHT_CLOSES
    return ""


def _call(chance: random.Random, tool: Mapping[str, Any]) -> dict[str, object]:
    names = list(tool["parameters"]["properties"])
    chosen = chance.sample(names, chance.randint(0, len(names)))
    return {"name": tool["name"], "arguments": {name: chance.choice(_VALUES) for name in chosen}}


def _called(chance: random.Random, calls: list[dict[str, object]], *, thoughts: bool) -> str:
    text = json.dumps(calls[0] if len(calls) == 1 else calls, ensure_ascii=False)
    thought = _thought(chance, thoughts=thoughts)
    if chance.random() < TEXT_SHARE:
        before = chance.choice(_BEFORE)
        return f"{thought}{before}<tool_call>{text}</tool_call>"
    return thought + text
