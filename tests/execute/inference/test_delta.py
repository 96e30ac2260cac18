"""Pieces of an answer make the whole."""

from __future__ import annotations

from types import SimpleNamespace as Said

from orchestrator.execute.inference.delta import Call, Delta, delta_of


def test_texts_and_ids_are_joined_and_the_last_reason_counts() -> None:
    whole = Delta("你", "", (1,)) + Delta("好", "嗯", (2,), "stop")
    assert whole == Delta("你好", "嗯", (1, 2), "stop")


def test_the_parts_of_calls_are_joined_by_their_index() -> None:
    first, second = Call(0, "a"), Call(1, "b", "{}")
    whole = sum(
        [Delta(calls=(first,)), Delta(calls=(Call(0, "", "{"), second)), Delta(calls=(Call(0, "", "}"),))],
        Delta(),
    )
    assert whole.tool_calls == ({"name": "a", "arguments": "{}"}, {"name": "b", "arguments": "{}"})


def test_calls_without_an_index_are_counted() -> None:
    calls = [Said(function=Said(name=name, arguments="{}")) for name in ("a", "b")]
    piece = delta_of(Said(message=Said(content=None, tool_calls=calls)), "message")
    assert piece.calls == (Call(0, "a", "{}"), Call(1, "b", "{}"))


def test_odd_calls_are_kept_as_far_as_they_go() -> None:
    calls = [Said(function=None), Said(function=Said(name=None, arguments={"city": "北京"}))]
    piece = delta_of(Said(message=Said(tool_calls=calls)), "message")
    assert piece.calls == (Call(0), Call(1))
    assert delta_of(Said(message=None), "message") == Delta()
