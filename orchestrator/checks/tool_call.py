"""tool_call: the last answer calls the tool that is wanted, and well.

    tool_call: {name: get_weather, arguments: {city: 北京}}    with `tools:` in the case
    tool_call: false                                          no tool is called

Well formed: every call names a tool of the case, and its arguments are a JSON object that holds what the
tool requires. One of the calls has the wanted name and at least the wanted arguments; texts are compared in
NFC and without the white space around them. What the tool would answer is not asked on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.checks.base import (
    Case,
    PromptPlan,
    last_turn,
    normal,
    quoted,
    text_problem,
    verdict,
    whole,
    why_unanswered,
)
from orchestrator.results import Transcript, Turn, Verdict

name = "tool_call"


def asks(case: Case, argument: Any) -> tuple[PromptPlan, ...]:  # noqa: ARG001
    """The whole conversation, with the case's tools."""
    return whole(case)


def judge(case: Case, argument: Any, transcripts: Sequence[Transcript]) -> Verdict:
    """Passed when the last answer's calls are well formed, the wanted one among them; or when none came."""
    turn = last_turn(transcripts)
    expected = shown(argument["name"], argument.get("arguments", {})) if argument else "no tool call"
    if turn is None or turn.error:
        return verdict(case, name, turn, passed=False, reason=why_unanswered(turn), expected=expected)
    wrong = _wrong(case, argument, turn) if argument else _called(turn)
    fine = f"it calls {argument['name']} rightly" if argument else "it calls no tool"
    return verdict(case, name, turn, passed=not wrong, reason=wrong or fine, expected=expected)


def problem(argument: Any) -> str | None:
    """A mapping with a name is wanted, or false."""
    if argument is False:
        return None
    if not isinstance(argument, dict) or not {"name"} <= set(argument) <= {"name", "arguments"}:
        return "must be a mapping such as {name: get_weather, arguments: {city: 北京}}, or false"
    if wrong := text_problem(argument["name"]):
        return f"name: {wrong}"
    return None if isinstance(argument.get("arguments", {}), dict) else "arguments: must be a mapping"


def unlisted(argument: Any, tools: Sequence[Mapping[str, Any]]) -> str:
    """Why a wanted call cannot be made with a case's tools; "" when it can."""
    if not argument or argument["name"] in names(tools):
        return ""
    listed = ", ".join(names(tools))
    return f"no tool of the case is named {quoted(argument['name'])}: " + (listed or "it has no tools")


def names(tools: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of a case's tools."""
    return tuple(tool["function"]["name"] for tool in tools)


def shown(called: str, arguments: Mapping[str, Any] | str) -> str:
    """A call as a person reads it.

    >>> shown("get_weather", {"city": "北京"})
    'get_weather({"city": "北京"})'
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f"{called}({text})"


def _called(turn: Turn) -> str:
    calls = ", ".join(shown(call["name"], call["arguments"]) for call in turn.tool_calls)
    return f"it calls {calls}" if calls else why_unanswered(turn)


def _wrong(case: Case, argument: Mapping[str, Any], turn: Turn) -> str:
    if not turn.tool_calls:
        return f"it calls no tool: {quoted(turn.content)}" if turn.content.strip() else why_unanswered(turn)
    wants = argument.get("arguments", {})
    missed = []
    for call in turn.tool_calls:
        given = _arguments(call["arguments"])
        if bad := _malformed(case, call["name"], given, call["arguments"]):
            return bad
        if call["name"] == argument["name"]:
            missed.append([key for key in wants if key not in given or not _same(given[key], wants[key])])
    if not missed:
        return f"it does not call {argument['name']}: {_called(turn).removeprefix('it calls ')}"
    if all(missed):
        lacking = shown("", {key: wants[key] for key in missed[0]})[1:-1]
        return f"its call lacks {lacking}: {_called(turn).removeprefix('it calls ')}"
    return ""


def _malformed(case: Case, called: str, given: Any, text: str) -> str:
    if called not in names(case.tools):
        return f"it calls {quoted(called)}, which is no tool of the case: {', '.join(names(case.tools))}"
    if not isinstance(given, dict):
        return f"the arguments of {called} are no JSON object: {quoted(text)}"
    function = next(tool["function"] for tool in case.tools if tool["function"]["name"] == called)
    required = function.get("parameters", {}).get("required", ())
    absent = [key for key in required if key not in given]
    return f"{called} requires {', '.join(absent)}: {quoted(text)}" if absent else ""


def _arguments(text: str) -> Any:
    """The arguments as JSON; None where they are none."""
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None


def _same(given: Any, wanted: Any) -> bool:
    if isinstance(given, str) and isinstance(wanted, str):
        return normal(given) == normal(wanted)
    return (type(given) is type(wanted) and bool(given == wanted)) or _number(given, wanted)


def _number(given: Any, wanted: Any) -> bool:
    """2 and 2.0 are one number to a tool; true is none."""
    numbers = [
        each for each in (given, wanted) if isinstance(each, int | float) and not isinstance(each, bool)
    ]
    return len(numbers) == 2 and bool(given == wanted)  # noqa: PLR2004
