"""tool_call: the answer calls the expected tool, with well-formed arguments.

    tool_call: {name: get_weather, arguments: {city: 北京}}    with `tools:` in the case
    tool_call: false                                          no tool is called

Well formed: every call names a tool of the case, and its arguments are a JSON object with everything that the
tool requires. One of the calls has the expected name and at least the expected arguments; texts are compared
in NFC and without surrounding white space. With `results:` in the case, the conversation goes on with what
the tools return; the last turn that calls is judged, and the other checks see the answer after it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

from orchestrator.checks.base import (
    Case,
    Check,
    Tool,
    last_turn,
    normal,
    quoted,
    text_problem,
    verdict,
    why_unanswered,
)
from orchestrator.results import Sentence, Transcript, Turn, Verdict


class ExpectedCall(TypedDict):
    """The tool, and arguments that its call must have."""

    name: str
    arguments: NotRequired[dict[str, object]]


class ToolCall(Check[ExpectedCall | Literal[False]]):
    """The last answer's calls are well formed, the expected one among them; or there are none."""

    name = "tool_call"

    def judge(
        self, case: Case, argument: ExpectedCall | Literal[False], transcripts: Sequence[Transcript]
    ) -> Verdict:
        turn = last_turn(transcripts)
        if argument and case.results:
            turns = (one for one in reversed(transcripts[0].turns) if one.tool_calls) if transcripts else ()
            turn = next(iter(turns), turn)
        expected: str = Sentence("no tool call", "不调用工具")
        success = Sentence("it calls no tool", "没有调用工具")
        if argument:
            expected = shown(argument["name"], argument.get("arguments", {}))
            success = Sentence(f"it calls {argument['name']} correctly", f"正确调用了 {argument['name']}")
        if turn is None or turn.error:
            fault = why_unanswered(turn)
        else:
            fault = _fault(case, argument, turn) if argument else _unexpected(turn)
        return verdict(case, self.name, turn, passed=not fault, reason=fault or success, expected=expected)

    def problem(self, argument: object) -> str | None:
        if argument is False:
            return None
        if not isinstance(argument, dict) or not {"name"} <= set(argument) <= {"name", "arguments"}:
            return "must be a mapping such as {name: get_weather, arguments: {city: 北京}}, or false"
        if wrong := text_problem(argument["name"]):
            return f"name: {wrong}"
        return None if isinstance(argument.get("arguments", {}), dict) else "arguments: must be a mapping"


CHECK = ToolCall()


def unlisted(name: str, tools: Sequence[str]) -> str:
    """Why a tool cannot be called in a case with these tools, by name; "" if it can."""
    if name in tools:
        return ""
    return f"no tool of the case is named {quoted(name)}: " + (", ".join(tools) or "it has no tools")


def names(tools: Sequence[Tool]) -> tuple[str, ...]:
    """The names of a case's tools."""
    return tuple(tool["function"]["name"] for tool in tools)


def shown(name: str, arguments: Mapping[str, object] | str) -> str:
    """A call for display.

    >>> shown("get_weather", {"city": "北京"})
    'get_weather({"city": "北京"})'
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f"{name}({text})"


def _calls(turn: Turn) -> str:
    return ", ".join(shown(call["name"], call["arguments"]) for call in turn.tool_calls)


def _unexpected(turn: Turn) -> Sentence:
    if calls := _calls(turn):
        return Sentence(f"it calls {calls}", f"调用了 {calls}")
    return why_unanswered(turn)


def _fault(case: Case, argument: ExpectedCall, turn: Turn) -> Sentence:
    if not turn.tool_calls:
        answer = quoted(turn.content)
        no_call = Sentence(f"it calls no tool: {answer}", f"没有调用工具：{answer}")
        return no_call if turn.content.strip() else why_unanswered(turn)
    expected, calls = argument.get("arguments", {}), _calls(turn)
    missing: list[list[str]] = []
    for call in turn.tool_calls:
        given = _arguments(call["arguments"])
        if fault := _malformed(case, call["name"], given, call["arguments"]):
            return fault
        if call["name"] == argument["name"] and given is not None:
            lacks = [key for key in expected if key not in given or not _same(given[key], expected[key])]
            missing.append(lacks)
    if not missing:
        name = argument["name"]
        return Sentence(f"it does not call {name}: {calls}", f"没有调用 {name}：{calls}")
    if all(missing):
        lacking = shown("", {key: expected[key] for key in missing[0]})[1:-1]
        return Sentence(f"its call lacks {lacking}: {calls}", f"调用缺少参数 {lacking}：{calls}")
    return Sentence()


def _malformed(case: Case, name: str, given: Mapping[str, object] | None, text: str) -> Sentence:
    if name not in names(case.tools):
        tools = ", ".join(names(case.tools))
        return Sentence(
            f"it calls {quoted(name)}, which is not a tool of the case: {tools}",
            f"调用的 {quoted(name)} 不是该用例的工具：{tools}",
        )
    if given is None:
        return Sentence(
            f"the arguments of {name} are not a JSON object: {quoted(text)}",
            f"{name} 的参数不是 JSON 对象：{quoted(text)}",
        )
    function = next(tool["function"] for tool in case.tools if tool["function"]["name"] == name)
    required: Sequence[str] = function.get("parameters", {}).get("required", ())
    absent = ", ".join(key for key in required if key not in given)
    if not absent:
        return Sentence()
    shown_text = quoted(text)
    return Sentence(f"{name} requires {absent}: {shown_text}", f"{name} 缺少必需参数 {absent}：{shown_text}")


def _arguments(text: str) -> dict[str, object] | None:
    """The arguments as a JSON object; None if they are not one."""
    try:
        given = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _same(given: object, expected: object) -> bool:
    """Equal by type and value; 2 and 2.0 are the same number to a tool, true is not a number."""
    if isinstance(given, str) and isinstance(expected, str):
        return normal(given) == normal(expected)
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (given, expected))
    return (type(given) is type(expected) or numbers) and bool(given == expected)
