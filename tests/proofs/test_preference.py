"""preference: margins of pairs from scored rows, what holds, and what shows a fault in the data."""

from __future__ import annotations

import pytest

from orchestrator.proofs.preference import Margin, prove
from orchestrator.proofs.scores import Answer, Row
from orchestrator.results import in_chinese


def scored(trainer: list[float], base: list[float], weights: list[float] | None = None) -> Row:
    answer = Answer(0, ["a"] * len(base), trainer, base, weights or trainer)
    return Row("pairs.jsonl:1", held_out=False, answers=[answer])


def test_a_margin_is_what_training_moved_and_sums_whole_answers() -> None:
    """(−1 + 3) of the better answer, minus (−6 + 4) of the worse one, whose two labels are added up."""
    better, worse = scored([-1.0], [-3.0]), scored([-2.0, -4.0], [-2.0, -2.0])
    assert Margin.of(better, worse) == Margin("pairs.jsonl:1", held_out=False, trainer=4.0, served=4.0)
    served = Margin.of(scored([-1.0], [-3.0], weights=[-3.0]), worse)
    assert (served.trainer, served.served) == (4.0, 2.0)


def pairs(*served: float, held_out: bool = False) -> list[Margin]:
    return [Margin(f"x:{at}", held_out, value, value) for at, value in enumerate(served, 1)]


def test_it_holds_and_reports_held_out_pairs_with_their_intervals() -> None:
    proof = prove([*pairs(2.0, 3.0), *pairs(1.0, 2.0, 1.5, -0.5, held_out=True)])
    assert proof.holds
    assert proof.numbers["held_out_pairs"] == 4
    assert proof.numbers["held_out_margin"] == 1.0
    assert proof.numbers["held_out_accuracy"] == 0.75
    assert proof.numbers["held_out_accuracy_low"] < 0.75 < proof.numbers["held_out_accuracy_high"]
    assert "preferred in 3 of 4" in proof.detail
    assert in_chinese(proof.covered) == "2 对训练数据，4 对留出数据"
    assert not proof.not_covered


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        (pairs(-2.0, -3.0), "towards the worse answers: the mean margin of 2 trained pairs is -2.500"),
        (pairs(), "no trained pair was scored"),
        ([Margin("x:1", held_out=False, trainer=2.0, served=-1.0)], "-1.000 as served"),
    ],
)
def test_fault_187_swapped_answers_and_another_served_model_do_not_hold(
    margins: list[Margin], message: str
) -> None:
    proof = prove(margins)
    assert not proof.holds
    assert message in proof.detail
    assert "chosen is the better answer" in proof.hint
    assert in_chinese(proof.detail) != proof.detail


def test_pairs_that_were_not_learned_are_named_worst_first() -> None:
    proof = prove(pairs(9.0, -1.0, -2.0))
    assert proof.holds
    assert [one["where"] for one in proof.findings] == ["x:3", "x:2"]


def test_without_held_out_pairs_it_says_so() -> None:
    assert "there are none" in prove(pairs(1.0)).not_covered
