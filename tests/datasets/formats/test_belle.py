"""belle rows: one text with marks becomes turns, and the marks are not trained."""

from __future__ import annotations

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import belle, sniff

TALK = "Human:你好\nAssistant: 您好！\n请讲。\nHuman:Human: 是什么意思？\nAssistant:"


def read(instruction: str, output: str = "人类。", **more: object) -> list[dict[str, str]]:
    return belle.read({"instruction": instruction, "output": output, **more}, belle.columns)


def test_the_text_is_read_as_turns() -> None:
    assert read(TALK) == [
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "您好！\n请讲。"},
        {"role": "user", "content": "Human: 是什么意思？"},
        {"role": "assistant", "content": "人类。"},
    ]


def test_it_stands_before_alpaca_and_takes_nothing_that_is_alpacas() -> None:
    assert sniff({"instruction": TALK, "input": "", "output": "a"}) == "belle"
    assert sniff({"instruction": "Human: 是什么意思？", "output": "a"}) == "alpaca"
    assert sniff({"instruction": None, "output": "a"}) == "alpaca"


@pytest.mark.parametrize("said", ["你好", "你好\nHuman:a\nAssistant:", "Human:a\nAssistant:b"])
def test_a_text_that_does_not_end_where_the_answer_belongs_is_refused(said: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read(said)
    assert caught.value.kind == "shape"


def test_what_would_be_lost_is_refused() -> None:
    with pytest.raises(RowProblem) as caught:
        read(TALK, input="还有")
    assert caught.value.kind == "unread input"
