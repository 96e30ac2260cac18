"""Turns that hold both sides, and what was thought between them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import inner_thought


def test_the_thought_is_the_answer_s() -> None:
    row = {
        "system": "你是海螺",
        "conversations": [
            {"user": "一", "inner_thought": "想\n", "assistant": "二"},
            {"user": "三", "assistant": "四"},
        ],
    }
    told = inner_thought.read(row, inner_thought.columns)
    assert [(message["role"], message["content"]) for message in told] == [
        ("system", "你是海螺"),
        ("user", "一"),
        ("assistant", "<think>\n想\n</think>\n\n二"),
        ("user", "三"),
        ("assistant", "四"),
    ]


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        (None, "shape"),
        (["一"], "shape"),
        ([{"user": "一"}], "missing key"),
        ([{"user": "一", "assistant": None}], "null"),
        ([{"user": "一", "inner_thought": 3, "assistant": "二"}], "not text"),
        ([{"user": "一", "inner_thought": "想", "assistant": "<think>想</think>二"}], "thought"),
    ],
)
def test_what_would_be_lost_is_refused(turns: Any, kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        inner_thought.read({"conversations": turns}, inner_thought.columns)
    assert caught.value.kind == kind


def test_sniffs_its_own_shape_only() -> None:
    assert inner_thought.sniff({"conversations": [{"user": "一", "assistant": "二"}]})
    assert not inner_thought.sniff({"conversations": [{"from": "human", "value": "一"}]})
    assert not inner_thought.sniff({"conversations": []})
