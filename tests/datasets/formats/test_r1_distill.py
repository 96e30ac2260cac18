"""r1_distill rows: what the model thought stands beside what it answered, or nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import r1_distill, sniff

ROW = {"input": " 问\n", "reasoning_content": "\n 想想", "content": "\n\n答", "score": 9}


def read(**changes: Any) -> list[dict[str, str]]:
    return r1_distill.read({**ROW, **changes}, r1_distill.columns)


def test_question_thought_and_answer() -> None:
    assert sniff(ROW) == "r1_distill"
    assert read() == [
        {"role": "user", "content": " 问\n"},
        {"role": "assistant", "content": "<think>\n 想想\n</think>\n\n答"},
    ]


@pytest.mark.parametrize("thought", [None, ""])
def test_no_thought_adds_none(thought: Any) -> None:
    assert read(reasoning_content=thought, content="答")[1]["content"] == "答"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"content": "<think>\n想\n</think>\n\n答"}, "thought"),
        ({"reasoning_content": ["想"]}, "not text"),
        ({"content": None}, "null"),
    ],
)
def test_what_would_be_trained_twice_or_not_at_all_is_refused(changes: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowProblem) as caught:
        read(**changes)
    assert caught.value.kind == kind
