"""Pairs in LLaMA-Factory's sharegpt shape: the conversation ends with the question that both answer."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import Pair, RowProblem
from orchestrator.datasets.formats import dpo_sharegpt
from orchestrator.datasets.repairs import fix_value


def said(role: str, text: Any) -> dict[str, Any]:
    return {"from": role, "value": text}


def read(row: dict[str, Any]) -> Pair:
    return dpo_sharegpt.read(row, {**dpo_sharegpt.columns, **dpo_sharegpt.resolve(row)})


ANSWERS = {"chosen": said("gpt", "好"), "rejected": said("gpt", "坏")}


def test_the_conversation_is_the_prompt() -> None:
    row = {"conversations": [said("human", "一"), said("gpt", "二"), said("human", "三")], "system": "s"}
    pair = read({**row, **ANSWERS})
    assert [turn["content"] for turn in pair.prompt] == ["s", "一", "二", "三"]
    assert (pair.chosen, pair.rejected) == ("好", "坏")


def test_role_and_content_are_read_too() -> None:
    row = {
        "messages": [{"role": "user", "content": "几点"}],
        "chosen": {"role": "assistant", "content": "好"},
        "rejected": {"role": "assistant", "content": "坏"},
    }
    assert dpo_sharegpt.sniff(row)
    assert read(row) == Pair([{"role": "user", "content": "几点"}], "好", "坏")


def test_the_better_answer_once_more_can_be_taken_away() -> None:
    """Case 68: LLaMA-Factory drops every such row."""
    row = {"conversations": [said("human", "一"), said("gpt", "好")], **ANSWERS}
    with pytest.raises(RowProblem) as caught:
        read(row)
    assert caught.value.kind == "answer in prompt"
    assert fix_value(caught.value)
    assert [turn["content"] for turn in read(row).prompt] == ["一"]


def test_another_answer_is_not_taken_away() -> None:
    row = {"conversations": [said("human", "一"), said("gpt", "二")], **ANSWERS}
    with pytest.raises(RowProblem) as caught:
        read(row)
    assert caught.value.kind == "answer in prompt"
    assert not fix_value(caught.value)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"chosen": said("human", "好")}, "unknown role"),
        ({"chosen": said("bot", "好")}, "unknown role"),
        ({"rejected": said("gpt", None)}, "null"),
        ({"rejected": "坏"}, "shape"),
        ({"conversations": None}, "shape"),
    ],
)
def test_what_would_be_lost_is_refused(change: dict[str, Any], kind: str) -> None:
    row = {"conversations": [said("human", "一")], **ANSWERS, **change}
    with pytest.raises(RowProblem) as caught:
        read(row)
    assert caught.value.kind == kind


def test_a_missing_answer_is_told() -> None:
    with pytest.raises(RowProblem, match='no "rejected"'):
        read({"conversations": [said("human", "一")], "chosen": said("gpt", "好")})
