"""Pairs: Firefly's moss, XTuner's, and lists whose turns alternate without marks."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import moss_pairs


def read(row: dict[str, Any]) -> list[tuple[str, str]]:
    columns = {**moss_pairs.columns, **moss_pairs.resolve(row)}
    return [(message["role"], message["content"]) for message in moss_pairs.read(row, columns)]


WHOLE = [("user", "一"), ("assistant", "二"), ("user", "三"), ("assistant", "四")]


@pytest.mark.parametrize(
    "row",
    [
        {
            "conversation_id": 8,
            "category": "Brainstorming",
            "conversation": [{"human": "一", "assistant": "二"}, {"human": "三", "assistant": "四"}],
        },
        {"conversation": [{"input": "一", "output": "二"}, {"input": "三", "output": "四"}]},
        {"data": ["一", "二", "三", "四"], "id": "0"},
    ],
)
def test_every_pair_is_read(row: dict[str, Any]) -> None:
    assert moss_pairs.sniff(row)
    assert read(row) == WHOLE


def test_a_pair_may_bring_its_system_prompt() -> None:
    row = {"conversation": [{"system": "你是海螺", "input": "一", "output": "二"}]}
    assert read(row)[0] == ("system", "你是海螺")


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"conversation": None}, "shape"),
        ({"conversation": ["一"]}, "shape"),
        ({"conversation": '[{"human": "一", "assistant": "二"}]'}, "list as text"),
        ({"conversation": [{"human": "一"}]}, "missing key"),
        ({"conversation": [{"human": "一", "assistant": 2}]}, "not text"),
        ({"conversation": [{"human": "一", "assistant": None}]}, "null"),
        ({"data": ["一", None]}, "null"),
        ({"data": ["一", 2]}, "not text"),
        ({}, "shape"),
    ],
)
def test_another_shape_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read(row)
    assert caught.value.kind == kind


def test_sniffs_its_own_shape_only() -> None:
    assert not moss_pairs.sniff({"data": ["一"]})
    assert not moss_pairs.sniff({"data": [{"question": "一"}]})
    assert not moss_pairs.sniff({"conversation": [{"from": "human", "value": "一"}]})
