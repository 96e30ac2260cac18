"""Shapes of one question and one answer, with a thought beside it or without."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from orchestrator.datasets import firefly, medical_o1, r1_distill, sniff
from orchestrator.datasets.base import RowProblem

ROWS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "firefly": (firefly, {"kind": "NLI", "input": " 问\n", "target": "答"}, "答"),
    "medical_o1": (
        medical_o1,
        {"Question": " 问\n", "Complex_CoT": "想想\n", "Response": "\n答"},
        "<think>\n想想\n</think>\n\n答",
    ),
    "r1_distill": (
        r1_distill,
        {"input": " 问\n", "reasoning_content": "\n想想", "content": "\n\n答", "score": 9},
        "<think>\n想想\n</think>\n\n答",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_question_thought_and_answer(name: str) -> None:
    adapter, row, answer = ROWS[name]
    assert sniff(row) == name
    told = adapter.read(row, adapter.columns)
    assert told == [{"role": "user", "content": " 问\n"}, {"role": "assistant", "content": answer}]


@pytest.mark.parametrize("adapter", [medical_o1, r1_distill])
def test_no_thought_adds_none(adapter: ModuleType) -> None:
    columns = adapter.columns
    row = {columns["prompt"]: "问", columns["thought"]: None, columns["response"]: "答"}
    assert adapter.read(row, columns)[1]["content"] == "答"


@pytest.mark.parametrize(
    ("thought", "answer", "kind"),
    [("想", "<think>\n想\n</think>\n\n答", "thought"), (["想"], "答", "not text"), ("想", None, "not text")],
)
def test_what_would_be_trained_twice_or_not_at_all_is_refused(thought: Any, answer: Any, kind: str) -> None:
    row = {"input": "问", "reasoning_content": thought, "content": answer}
    with pytest.raises(RowProblem) as caught:
        r1_distill.read(row, r1_distill.columns)
    assert caught.value.kind == kind
