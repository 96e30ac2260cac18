"""tool_call: the wanted tool, called with JSON that holds the wanted arguments."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.checks import contains, prompts_of, stops, streamed, tool_call
from orchestrator.checks.base import Case, Tool, answer_of
from orchestrator.checks.tool_call import CHECK
from orchestrator.results import Turn, Verdict
from tests.checks.room import said, turn

WEATHER: Tool = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CLOCK: Tool = {"type": "function", "function": {"name": "get_time"}}
CASE = Case("checks[0]", ("北京天气？",), tools=(WEATHER, CLOCK))
EXPECTED: Any = {"name": "get_weather", "arguments": {"city": "北京"}}


def call(*calls: tuple[str, str], **more: Any) -> Turn:
    told = tuple({"name": name, "arguments": text} for name, text in calls)
    return turn("", **{"finish_reason": "tool_calls", "tool_calls": told, **more})


def judged(answer: Turn | str, argument: Any = EXPECTED) -> Verdict:
    return CHECK.judge(CASE, argument, said(answer))


def test_the_wanted_call_passes_whatever_else_it_holds() -> None:
    found = judged(call(("get_weather", '{"city": " 北京", "days": 3}')))
    assert found.passed
    assert found.expected == 'get_weather({"city": "北京"})'
    assert found.answer == 'get_weather({"city": " 北京", "days": 3})'
    assert judged(call(("get_time", ""), ("get_weather", '{"city": "北京"}'))).passed
    assert judged(call(("get_time", "")), {"name": "get_time"}).passed


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (call(("get_weather", '{"city": "上海"}')), 'its call lacks {"city": "北京"}'),
        (call(("get_weather", '{"city": "北京"')), "are not a JSON object"),
        (call(("get_weather", '["北京"]')), "are not a JSON object"),
        (call(("get_weather", "{}")), "get_weather requires city"),
        (call(("get_news", "{}")), "is not a tool of the case: get_weather, get_time"),
        (call(("get_time", "{}")), "it does not call get_weather: get_time({})"),
        (call(("get_weather", '{"city": "北京"}'), ("get_time", "now")), "are not a JSON object"),
        (turn("北京晴。"), 'it calls no tool: "北京晴。"'),
        (turn(""), "the answer is empty"),
        (turn(error="HTTP 400"), "HTTP 400"),
    ],
)
def test_what_is_wrong_with_a_call(answer: Turn, told: str) -> None:
    found = judged(answer)
    assert not found.passed
    assert told in found.reason


@pytest.mark.parametrize(
    ("text", "wanted", "passed"),
    [("2.0", 2, True), ("true", 1, False), ("true", True, True), ('"2"', 2, False), ('["a"]', ["a"], True)],
)
def test_arguments_are_compared_as_values(text: str, wanted: object, *, passed: bool) -> None:
    answer = call(("get_weather", f'{{"city": "北京", "days": {text}}}'))
    assert judged(answer, {"name": "get_weather", "arguments": {"days": wanted}}).passed is passed


def test_no_call_is_wanted() -> None:
    assert judged(turn("你好"), False).passed
    assert not judged(call(("get_time", "")), False).passed
    assert not judged(turn(""), False).passed


def test_the_tools_go_with_the_question() -> None:
    assert prompts_of(CASE)[0].tools == (WEATHER, CLOCK)


def test_the_other_checks_know_a_call_from_a_text() -> None:
    answer = call(("get_time", "{}"))
    assert answer_of(answer) == "get_time({})"
    found = contains.CHECK.judge(CASE, "北京", said(answer))
    assert found.reason == "the answer is a call of get_time, not a text"
    assert stops.CHECK.judge(CASE, True, said(answer)).passed
    assert not stops.CHECK.judge(CASE, True, said(turn("好", finish_reason="tool_calls"))).passed
    again = call(("get_time", "{}"), streamed=True)
    assert "tool calls whole" in streamed.difference(again)


def test_arguments() -> None:
    assert CHECK.problem(EXPECTED) is None
    assert CHECK.problem({"name": "get_time"}) is None
    assert CHECK.problem(False) is None
    wrong: tuple[Any, ...] = (
        True,
        "get_time",
        {},
        {"name": ""},
        {"name": "a", "arguments": "{}"},
        {"name": "a", "with": {}},
    )
    assert all(CHECK.problem(argument) for argument in wrong)
    assert tool_call.unlisted("get_weather", tool_call.names(CASE.tools)) == ""
    assert tool_call.unlisted("get_news", tool_call.names(CASE.tools)).endswith(": get_weather, get_time")
    assert "no tools" in tool_call.unlisted("get_weather", ())
