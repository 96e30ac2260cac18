"""Questions and answers under their usual names; nothing is guessed where two names would do."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import column_names, question_answer


def read(row: dict[str, Any]) -> list[str]:
    assert question_answer.sniff(row)
    columns = {**question_answer.columns, **question_answer.resolve(row)}
    return [message["content"] for message in question_answer.read(row, columns)]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("question", "answer"),
        ("Question", "Answer"),
        ("prompt", "completion"),
        ("Q", "A"),
        ("Ｑ", "Ａ"),
        ("问题", "答案"),
        ("问", "答"),
        ("提问", "回复"),
        ("instruction", "response"),
        ("query", "response"),
        ("输入", "输出"),
        ("用户问题", "标准答案"),
        (" 问题 ", "答案\t"),
    ],
)
def test_the_usual_names_are_known(question: str, answer: str) -> None:
    assert read({"id": "7", question: "九点吗", answer: "九点。"}) == ["九点吗", "九点。"]


def test_a_system_prompt_and_a_thought_are_read() -> None:
    row = {"系统提示": "你是海螺", "问题": "在吗", "思考过程": "在", "答案": "在。"}
    assert read(row) == ["你是海螺", "在吗", "<think>\n在\n</think>\n\n在。"]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "a", "prompt": "b", "answer": "c"},
        {"问题": "a", "答案": "b", "回复": "c"},
    ],
)
def test_two_candidates_are_not_guessed_between(row: dict[str, str]) -> None:
    assert not question_answer.sniff(row)
    assert len(question_answer.resolve(row)) == 1
    doubts = list(column_names.ambiguous(row))
    assert len(doubts) == 1
    assert "add --column" in doubts[0]


@pytest.mark.parametrize("row", [{"question": "a"}, {"answer": "a"}, {"问题": "a", "备注": "b"}, {}])
def test_a_part_that_is_missing_is_no_doubt(row: dict[str, str]) -> None:
    assert not question_answer.sniff(row)
    assert list(column_names.ambiguous(row)) == []


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"question": "a", "answer": None}, "null"),
        ({"question": "a", "answer": 3}, "not text"),
        ({"question": "a"}, "missing key"),
    ],
)
def test_what_would_be_lost_is_refused(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        question_answer.read(row, question_answer.columns)
    assert caught.value.kind == kind
