"""Pieces of an answer make the whole, and what is no text is told."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.execute.inference.delta import Call, Delta, delta_of, joined


def test_texts_and_ids_are_joined_and_the_last_reason_counts() -> None:
    whole = joined([Delta("你", "", (1,), "length"), Delta("好", "嗯", (2,), "stop"), Delta()])
    assert whole == Delta("你好", "嗯", (1, 2), "stop")


def test_the_parts_of_calls_are_joined_by_their_index() -> None:
    first, second = Call(0, "a"), Call(1, "b", "{}")
    whole = joined(
        [Delta(calls=(first,)), Delta(calls=(Call(0, "", "{"), second)), Delta(calls=(Call(0, "", "}"),))]
    )
    assert whole.tool_calls == ({"name": "a", "arguments": "{}"}, {"name": "b", "arguments": "{}"})


def test_calls_without_an_index_are_counted() -> None:
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    piece = delta_of({"message": {"content": None, "tool_calls": calls}}, "message")
    assert piece.calls == (Call(0, "a", "{}"), Call(1, "b", "{}"))


def test_odd_calls_are_kept_as_far_as_they_go() -> None:
    calls: list[Any] = [{"function": None}, {"function": {"name": None, "arguments": {"city": "北京"}}}, 5]
    piece = delta_of({"message": {"tool_calls": calls}}, "message")
    assert piece.calls == (Call(0), Call(1), Call(2))
    assert delta_of({"message": None}, "message") == Delta()


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (7, "a choice is a number"),
        ({"message": [1]}, '"message" is a list'),
        ({"message": {"content": 1.5}}, '"content" is a number, not text'),
        ({"message": {"content": [{"type": "text", "text": "好"}]}}, '"content" is a list, not text'),
        ({"message": {}, "finish_reason": {}}, '"finish_reason" is an object, not text'),
        ({"message": {"content": True}}, '"content" is true or false, not text'),
    ],
)
def test_what_is_no_text_is_told(choice: object, told: str) -> None:
    with pytest.raises(ValueError, match="unknown shape") as raised:
        delta_of(choice, "message")
    assert str(raised.value) == f"the answer has an unknown shape: {told}"


def test_ids_that_are_no_numbers_are_none() -> None:
    assert delta_of({"message": {}, "token_ids": [1, "2"]}, "message").token_ids == ()
    assert delta_of({"message": {}, "token_ids": "12"}, "message").token_ids == ()


def test_half_a_character_is_replaced() -> None:
    """JSON can hold one, and no file and no request."""
    assert delta_of({"message": {"content": "a\ud83d"}}, "message").content == "a\ufffd"
    assert delta_of({"message": {"content": "\ud83d\ude00"}}, "message").content == "😀"
