"""Pairs in alpaca's shape: a question, a better and a worse answer."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import Pair, RowProblem
from orchestrator.datasets.formats import dpo

ANSWERS = {"chosen": "好", "rejected": "坏"}


def read(row: dict[str, Any]) -> Pair:
    return dpo.read(row, {**dpo.columns, **dpo.resolve(row)})


@pytest.mark.parametrize("key", ["instruction", "prompt", "question", "问题"])
def test_the_question_has_other_names(key: str) -> None:
    row = {key: "几点", **ANSWERS}
    assert dpo.sniff(row)
    assert read(row) == Pair([{"role": "user", "content": "几点"}], "好", "坏")


def test_the_answers_have_other_names() -> None:
    row = {
        "system": "",
        "history": [],
        "question": "几点",
        "response_chosen": "好",
        "response_rejected": "坏",
    }
    assert dpo.sniff(row)
    assert read(row) == Pair([{"role": "user", "content": "几点"}], "好", "坏")


def test_all_that_came_before_is_the_prompt() -> None:
    row = {"instruction": "几点", "input": "北京", "history": [["一", "二"]], "system": "s", **ANSWERS}
    columns = {**dpo.columns, **dpo.resolve({"instruction": "几点", **ANSWERS})}
    assert [turn["content"] for turn in dpo.read(row, columns).prompt] == ["s", "一", "二", "几点\n北京"]


def test_two_candidates_for_the_question_are_not_guessed_between() -> None:
    assert "prompt" not in dpo.resolve({"input": "北京", "instruction": "几点", **ANSWERS})
    assert not dpo.sniff({"prompt": "几点", "question": "几点了", **ANSWERS})


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"instruction": "几点", "chosen": None, "rejected": "坏"}, "null"),
        ({"instruction": "几点", "chosen": "好", "rejected": 3}, "not text"),
        ({"instruction": "几点", "chosen": "好"}, "missing key"),
        ({"instruction": 3, **ANSWERS}, "not text"),
        ({"instruction": "几点", "history": ["一", "二"], **ANSWERS}, "history"),
    ],
)
def test_what_would_be_lost_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        dpo.read(row, dpo.columns)
    assert caught.value.kind == kind


def test_sniffs_its_own_shape_only() -> None:
    assert dpo.sniff({"instruction": "问", "input": "", **ANSWERS})
    assert not dpo.sniff(ANSWERS)
    assert not dpo.sniff({"prompt": "问", "chosen": [], "rejected": []})
    assert not dpo.sniff({"instruction": "问", "output": "答"})
