"""Values that a format refuses are repaired where one thing can be meant, and left where not."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import alpaca, sharegpt
from orchestrator.datasets.repairs import as_label, as_pairs, fix_value


@pytest.mark.parametrize(
    ("value", "fixed"),
    [
        (["你好", "您好", "再见", "慢走"], [["你好", "您好"], ["再见", "慢走"]]),
        ('[["一", "二"]]', [["一", "二"]]),
        ([{"user": "一", "assistant": "二"}], [["一", "二"]]),
        ([{"问": "一", "答": "二"}], [["一", "二"]]),
        ("", []),
        (["一", "二", "三"], None),
        ([["一", None]], None),
        ([["一", "二", "三"]], None),
        ("不是列表", None),
        ({"a": 1}, None),
    ],
)
def test_a_history_becomes_pairs(value: Any, fixed: Any) -> None:
    row = {"instruction": "问", "output": "答", "history": value}
    if fixed is None or value == "":
        assert as_pairs(value) == fixed
        return
    with pytest.raises(RowProblem) as caught:
        alpaca.read(row, alpaca.columns)
    assert fix_value(caught.value)
    assert row["history"] == fixed
    assert len(alpaca.read(row, alpaca.columns)) == 2 * len(fixed) + 2


@pytest.mark.parametrize(("value", "fixed"), [(3, "3"), (1.5, "1.5"), (True, "true"), (["好"], "好")])
def test_a_number_and_a_list_of_one_become_text(value: Any, fixed: str) -> None:
    row = {"conversations": [{"from": "human", "value": "问"}, {"from": "gpt", "value": value}]}
    with pytest.raises(RowProblem) as caught:
        sharegpt.read(row, sharegpt.columns)
    assert fix_value(caught.value)
    assert sharegpt.read(row, sharegpt.columns)[1]["content"] == fixed


@pytest.mark.parametrize("value", [None, {"a": 1}, ["a", "b"], []])
def test_what_is_lost_stays_lost(value: Any) -> None:
    row = {"instruction": "问", "output": value}
    with pytest.raises(RowProblem) as caught:
        alpaca.read(row, alpaca.columns)
    assert not fix_value(caught.value)
    assert row["output"] == value


def test_a_list_that_is_written_as_text_is_read() -> None:
    row: dict[str, Any] = {
        "conversations": '[{"from": "human", "value": "问"}, {"from": "gpt", "value": "答"}]'
    }
    with pytest.raises(RowProblem) as caught:
        sharegpt.read(row, sharegpt.columns)
    assert caught.value.kind == "list as text"
    assert fix_value(caught.value)
    assert [message["content"] for message in sharegpt.read(row, sharegpt.columns)] == ["问", "答"]


def test_a_label_is_a_word_or_a_number() -> None:
    assert [as_label(value) for value in (1, "True", "0", "坏", "maybe", None)] == [
        True,
        True,
        False,
        False,
        None,
        None,
    ]
