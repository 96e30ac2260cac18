"""firefly rows: one question and its answer, as they stand."""

from __future__ import annotations

import pytest

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import firefly, sniff

ROW = {"kind": "NLI", "input": " 问\n", "target": "答"}


def test_question_and_answer_stay_as_they_are() -> None:
    assert sniff(ROW) == "firefly"
    told = firefly.read(ROW, firefly.columns)
    assert told == [{"role": "user", "content": " 问\n"}, {"role": "assistant", "content": "答"}]


def test_an_answer_that_is_no_text_is_refused() -> None:
    with pytest.raises(RowProblem) as caught:
        firefly.read({**ROW, "target": 3}, firefly.columns)
    assert caught.value.kind == "not text"
