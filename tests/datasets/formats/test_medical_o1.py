"""medical_o1 rows: the chain of thought is the answer's thought."""

from __future__ import annotations

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import medical_o1, sniff

ROW = {"Question": " 问\n", "Complex_CoT": "想想\n", "Response": "\n答"}


def test_question_thought_and_answer() -> None:
    assert sniff(ROW) == "medical_o1"
    assert medical_o1.read(ROW, medical_o1.columns) == [
        {"role": "user", "content": " 问\n"},
        {"role": "assistant", "content": "<think>\n想想\n</think>\n\n答"},
    ]


def test_a_question_that_is_not_there_is_refused() -> None:
    with pytest.raises(RowProblem) as caught:
        medical_o1.read({"Complex_CoT": "想", "Response": "答"}, medical_o1.columns)
    assert caught.value.kind == "missing key"
