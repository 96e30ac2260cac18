"""What a server sent, beside what it was asked, wherever the two are kept."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import r1_logs

ASKED = [{"role": "system", "content": "你是海螺"}, {"role": "user", "content": "几点"}]
CHOICE = {
    "index": 0,
    "finish_reason": "stop",
    "message": {"role": "assistant", "reasoning_content": "\n看表\n", "content": "\n\n九点。"},
}
ANSWER = "<think>\n看表\n</think>\n\n九点。"


def read(row: dict[str, Any]) -> list[str]:
    return [message["content"] for message in r1_logs.read(row, r1_logs.columns)]


@pytest.mark.parametrize(
    "row",
    [
        {"id": "x", "messages": ASKED, "choices": [CHOICE], "usage": {}},
        {"request": {"model": "r1", "messages": ASKED}, "response": {"choices": [CHOICE]}},
        {"request": {"body": {"messages": ASKED}}, "response": {"body": {"choices": [CHOICE]}}},
        {"messages": ASKED, "response": {"status_code": 200, "body": {"choices": [CHOICE]}}},
    ],
)
def test_question_and_answer_are_put_together(row: dict[str, Any]) -> None:
    assert r1_logs.sniff(row)
    assert read(row) == ["你是海螺", "几点", ANSWER]


def test_a_prompt_is_the_question() -> None:
    assert read({"prompt": "几点", "choices": [CHOICE]}) == ["几点", ANSWER]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"choices": [CHOICE]}, "missing key"),
        ({"prompt": "几点", "choices": [CHOICE, CHOICE]}, "several answers"),
        ({"prompt": "几点", "choices": []}, "several answers"),
        ({"prompt": "几点", "choices": [{**CHOICE, "finish_reason": "length"}]}, "answer cut off"),
        ({"prompt": "几点", "choices": [{"text": "九点"}]}, "shape"),
        ({"prompt": "几点", "choices": [{"message": {"content": None}}]}, "null"),
        ({"messages": ASKED, "tools": [{}], "choices": [CHOICE]}, "unread tools"),
        ({"prompt": "几点"}, "shape"),
    ],
)
def test_what_would_be_lost_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read(row)
    assert caught.value.kind == kind


def test_sniffs_its_own_shape_only() -> None:
    assert not r1_logs.sniff({"messages": ASKED})
    assert not r1_logs.sniff({"choices": ["甲", "乙"], "answer": "甲"})
