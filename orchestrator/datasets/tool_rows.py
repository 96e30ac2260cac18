r"""Tools in rows: what a row declares, and calls of it.

A conversation with tools begins with a message of role `tools`, whose content is the list as JSON. Each
tool is completed and ordered as every request to a server carries it: {"type", "function": {"name",
"description", "parameters"}}; other keys do not reach a chat template, so they are left out of training, too.

A call is a message of role `function_call`, written as LLaMA-Factory 0.9.5 reads it (data/formatter.py):
{"name", "arguments"} as JSON, or a list of several; a thought may stand before it. Text before a call needs
`<tool_call>` around the JSON. Of several such marks LLaMA-Factory reads the first only and trains the
others as they are, so that they become one list here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from itertools import pairwise

from orchestrator.datasets.base import (
    FUNCTION_CALL,
    OBSERVATION,
    TOOLS,
    Conversation,
    Message,
    Row,
    RowProblem,
    excerpt,
    type_name,
)
from orchestrator.probes.spellings import NEXT_RESULT, TRAINED_THOUGHT, split_call

OPENS, CLOSES = "<tool_call>", "</tool_call>"
_MARKED = re.compile(rf"{OPENS}(.*?){CLOSES}\s*", re.DOTALL)
_DECLARED = '{"type": "function", "function": {"name": "…", "description": "…", "parameters": {…}}}'
_CALL = 'write {"name": "…", "arguments": {…}}'


def declared(row: Row, column: str) -> Conversation:
    """The tools of a row as the first message; [] if it declares none.

    Raises:
        RowProblem: LLaMA-Factory, or a tool format of it, would end the run with a KeyError or TypeError.
    """
    value = row.get(column)
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _no_tools(row, column, "is not JSON") from None
    if not value or value == " ":
        return []
    if not isinstance(value, list):
        raise _no_tools(row, column, f"is {type_name(value)}, not a list")
    tools = [_completed(tool) for tool in value]
    return [{"role": TOOLS, "content": json.dumps(tools, ensure_ascii=False)}]


def without_tools(conversation: Conversation) -> tuple[str, Conversation]:
    """(the declared tools as JSON, or ""; the other messages)."""
    if conversation and conversation[0]["role"] == TOOLS:
        return conversation[0]["content"], conversation[1:]
    return "", conversation


def beside_tools(repair: Callable[[Conversation], Conversation]) -> Callable[[Conversation], Conversation]:
    """A repair that leaves the declared tools as they are."""

    def repaired(conversation: Conversation) -> Conversation:
        tools, turns = without_tools(conversation)
        return [*conversation[: len(conversation) - len(turns)], *repair(turns)] if tools else repair(turns)

    return repaired


def declared_names(conversation: Conversation) -> set[str]:
    """The names of the tools that a conversation declares."""
    listed, _ = without_tools(conversation)
    return {tool["function"]["name"] for tool in json.loads(listed or "[]")}


def _no_tools(row: Row, column: str, why: str) -> RowProblem:
    what = f'"{column}" {why}: {excerpt(row[column])}'
    return RowProblem("tools", what, f"write a list of tools such as {_DECLARED}")


def _completed(tool: object) -> dict[str, object]:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise RowProblem("tools", f"a tool has no name: {excerpt(tool)}", f"write {_DECLARED}")
    description, parameters = function.get("description") or "", function.get("parameters") or {}
    problem = _parameters_problem(parameters)
    if not isinstance(description, str):
        problem = f"its description is {type_name(description)}, not text"
    if problem:
        what = f"tool {excerpt(function['name'])}: {problem}"
        raise RowProblem("tools", what, "write its parameters as a JSON schema of an object")
    return {
        "type": "function",
        "function": {
            "name": function["name"],
            "description": description,
            # LLaMA-Factory's default format ends the run where there are none.
            "parameters": {
                **(parameters or {"type": "object"}),
                "properties": parameters.get("properties", {}),
            },
        },
    }


def _parameters_problem(parameters: object) -> str:
    """What a tool format of LLaMA-Factory cannot read (data/tool_utils.py); "" if there is nothing."""
    if not isinstance(parameters, dict):
        return f"its parameters are {type_name(parameters)}, not an object"
    properties = parameters.get("properties", {})
    if not isinstance(properties, dict):
        return f"the properties of its parameters are {type_name(properties)}, not an object"
    for name, value in properties.items():
        if not isinstance(value, dict):
            return f"its parameter {excerpt(name)} is {type_name(value)}, not an object"
        values = value.get("enum") or []
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            return f"the enum of its parameter {excerpt(name)} is not a list of texts"
        if not isinstance(value.get("items") or {}, dict):
            return f"the items of its parameter {excerpt(name)} are not an object"
    return ""


def call_message(before: str, calls: Iterable[object]) -> Message:
    """A turn that calls tools; `before`: its thought and its text, "" for none.

    Raises:
        RowProblem: a call is not a name with a JSON object of arguments.
    """
    read = [_call(call) for call in calls]
    text = json.dumps(read[0] if len(read) == 1 else read, ensure_ascii=False)
    if OPENS in text or CLOSES in text:
        raise RowProblem(
            "function call", f"a call within a call: {excerpt(text)}", "write its mark differently"
        )
    if before and not TRAINED_THOUGHT.fullmatch(before):
        before = before if before.endswith("\n") else before + "\n"
        text = f"{OPENS}{text}{CLOSES}"
    return {"role": FUNCTION_CALL, "content": before + text}


def together(turns: Conversation) -> Conversation:
    """The turns, with results that follow each other as one, as LLaMA-Factory joins them."""
    if not any(one["role"] == OBSERVATION == other["role"] for one, other in pairwise(turns)):
        return turns
    joined: Conversation = []
    for turn in turns:
        if joined and turn["role"] == OBSERVATION == joined[-1]["role"]:
            content = joined[-1]["content"] + NEXT_RESULT + turn["content"]
            joined[-1] = {"role": OBSERVATION, "content": content}
        else:
            joined.append(turn)
    return joined


def read_call(content: str) -> Message:
    """A turn of role function_call, as sharegpt writes it."""
    if marked := _MARKED.findall(content):
        return call_message(_MARKED.sub("", content), [call for text in marked for call in calls_of(text)])
    before, text = split_call(content)
    return call_message(before, calls_of(text))


def calls_in(content: str) -> list[dict[str, object]]:
    """The calls of a message that call_message wrote; RowProblem for another one."""
    return [_call(call) for call in calls_of(split_call(content)[1])]


def calls_of(text: str) -> list[object]:
    """The calls in a text of JSON, one or a list of them."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise not_a_call(text) from None
    if found == []:
        raise not_a_call(text)
    return found if isinstance(found, list) else [found]


def _call(call: object) -> dict[str, object]:
    function = call.get("function", call) if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise not_a_call(call)
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):  # trained as a text, it would be escaped twice
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            raise not_a_call(call) from None
    if not isinstance(arguments, dict):
        raise not_a_call(call)
    return {"name": function["name"], "arguments": arguments}


def not_a_call(call: object) -> RowProblem:
    """Why what should be a call is none."""
    return RowProblem("function call", f"not a call with a JSON object of arguments: {excerpt(call)}", _CALL)
