"""Samples: which rows make one, and what is question, thought and reference."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.evaluation.samples import Prediction, chosen, joined, parted, sample_of, spread


def row(*turns: tuple[str, str]) -> Any:
    messages = [{"role": role, "content": content} for role, content in turns]
    return {"dataset": "mine", "row": 3, "messages": messages}


def test_the_last_answer_is_the_reference_and_earlier_ones_stay_as_they_are() -> None:
    sample = sample_of(
        row(
            ("system", "你是海螺"),
            ("user", "蟹堡王在哪里"),
            ("assistant", "<think>\n嗯\n</think>\n\n海里"),
            ("user", "几点开门"),
            ("assistant", "<think>\n想想\n</think>\n\n九点。"),
        )
    )
    assert sample is not None
    assert sample.question == "几点开门"
    assert sample.messages[2]["content"] == "<think>\n嗯\n</think>\n\n海里"
    assert (sample.label_thinking, sample.label) == ("想想", "九点。")
    assert sample.reference == "<think>\n想想\n</think>\n\n九点。"


@pytest.mark.parametrize(
    "turns",
    [
        (),
        (("assistant", "你好"),),
        (("user", "在吗"),),
        (("user", "查天气"), ("function_call", "{}"), ("observation", "晴"), ("assistant", "晴")),
        (("assistant", "欢迎"), ("assistant", "请问")),
    ],
)
def test_rows_that_do_not_end_in_an_answer_to_a_user_make_none(turns: tuple[tuple[str, str], ...]) -> None:
    assert sample_of(row(*turns)) is None


def test_an_empty_thought_is_no_thought() -> None:
    assert parted("<think>\n\n</think>\n\n好") == ("", "好")
    assert parted("想</think>好") == ("想", "好")
    assert joined(*parted("<think>\n嗯\n</think>\n\n好")) == "<think>\n嗯\n</think>\n\n好"


def test_only_the_named_data_sets_are_chosen() -> None:
    rows = [
        row(("user", "甲"), ("assistant", "乙")),
        row(("user", "甲"), ("assistant", "乙")) | {"dataset": "x"},
    ]
    found = [one for one in chosen(rows, frozenset({"mine"})) if one is not None]
    assert found == [Prediction("mine", 3, ({"role": "user", "content": "甲"},), "乙")]


def test_a_limit_takes_rows_from_the_whole_split() -> None:
    assert spread(1000, 4) == [0, 250, 500, 750]
    assert len(set(spread(7, 7))) == 7
