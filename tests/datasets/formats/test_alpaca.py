"""alpaca rows: what is joined, what is kept, and each history that LLaMA-Factory would train wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import alpaca


def read(**row: Any) -> list[tuple[str, str]]:
    whole = {"instruction": "问", "output": "答", **row}
    return [(message["role"], message["content"]) for message in alpaca.read(whole, alpaca.columns)]


def test_the_input_stands_on_the_line_below_its_instruction() -> None:
    told = read(instruction="怎么修复这个报错", input="汉堡食谱为空", output="去找食谱。")
    assert told == [("user", "怎么修复这个报错\n汉堡食谱为空"), ("assistant", "去找食谱。")]


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_input_adds_no_line(empty: str | None) -> None:
    assert read(input=empty) == [("user", "问"), ("assistant", "答")]


@pytest.mark.parametrize("empty", ["", None, []])
def test_an_empty_history_adds_no_turn(empty: Any) -> None:
    """An empty cell of a table is an empty text."""
    assert read(history=empty) == [("user", "问"), ("assistant", "答")]


def test_history_and_system_become_turns() -> None:
    told = read(system="你是海螺", history=[["一", "二"], ["三", "四"]])
    assert told == [
        ("system", "你是海螺"),
        ("user", "一"),
        ("assistant", "二"),
        ("user", "三"),
        ("assistant", "四"),
        ("user", "问"),
        ("assistant", "答"),
    ]


def test_columns_of_other_names_are_read() -> None:
    columns = {**alpaca.columns, "prompt": "问题", "response": "答案"}
    assert alpaca.read({"问题": "几点？", "答案": "九点。"}, columns)[0]["content"] == "几点？"


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (["你好", "您好"], "text, not a pair"),
        ([["你好"]], "a list of 1"),
        ([["a", "b", "c"]], "a list of 3"),
        ([{"user": "你好", "assistant": "您好"}], "an object, not a pair"),
        ("[]", "history is text"),
        ({"0": []}, "history is an object"),
        ([["你好", None]], "null instead of text"),
        ([[1, "b"]], "a number instead of text"),
    ],
)
def test_a_history_of_another_shape_is_refused(history: Any, said: str) -> None:
    """Cases 23 to 27 of the table of mistakes."""
    with pytest.raises(RowProblem, match=said) as caught:
        read(history=history)
    assert caught.value.kind == "history"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"output": None}, "null"),
        ({"output": 3}, "not text"),
        ({"output": True}, "not text"),
        ({"output": ["a"]}, "not text"),
        ({"instruction": None}, "null"),
        ({"instruction": 7}, "not text"),
        ({"input": 7}, "not text"),
        ({"tools": "[]"}, "unread tools"),
        ({"chosen": "a"}, "unread chosen"),
    ],
)
def test_a_value_that_would_be_lost_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read(**row)
    assert caught.value.kind == kind


def test_a_missing_key_names_those_that_are_there() -> None:
    with pytest.raises(RowProblem, match=r'no "output" \(keys: instruction, response\)'):
        alpaca.read({"instruction": "问", "response": "答"}, alpaca.columns)


def test_sniffs_its_own_shape_only() -> None:
    assert alpaca.sniff({"instruction": "", "output": ""})
    assert not alpaca.sniff({"conversations": []})
