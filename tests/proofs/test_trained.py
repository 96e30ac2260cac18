from __future__ import annotations

from typing import Any

from orchestrator.proofs.trained import TrainedRow, answer_name


def test_losses_are_found_by_answer() -> None:
    loss: Any = {"turn": 1, "context": 3, "labels": 0, "thought_open": False}
    row = TrainedRow("海螺.jsonl:3", [1, 2], [], {"tokens": 3, "turns": [loss]})
    assert row.losses() == {1: loss}
    assert TrainedRow("海螺.jsonl:4", [1, 2], []).losses() == {}


def test_answers_are_counted_from_one() -> None:
    assert answer_name(1) == "answer 2"
