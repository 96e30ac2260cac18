"""preference: margins of pairs from scored rows, what holds, and what shows a fault in the data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.proofs.preference import Margin, Rated, prove, prove_rated
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


def rated(*gains: tuple[bool, float], held_out: bool = False) -> list[Rated]:
    return [Rated(f"x:{at}", held_out, liked, -20.0, gain, gain) for at, (liked, gain) in enumerate(gains, 1)]


def test_a_rated_answer_is_its_gain() -> None:
    row = replace(scored([-1.0, -1.0], [-3.0, -2.0], weights=[-2.0, -1.0]), liked=True)
    assert Rated.of(row) == Rated(
        "pairs.jsonl:1", held_out=False, liked=True, base=-5.0, trainer=3.0, served=2.0
    )


def test_liked_answers_are_held_against_disliked_ones_before_and_after() -> None:
    held_out = rated(*[(True, 3.0), (False, -1.0), (True, 2.0), (False, -2.0)] * 4, held_out=True)
    proof = prove_rated([*rated((True, 2.0), (False, -2.0)), *held_out])
    assert proof.holds
    numbers = proof.numbers
    assert (numbers["trained_margin"], numbers["held_out_margin"]) == (4.0, 4.0)
    assert 0 < numbers["held_out_margin_low"] < 4 < numbers["held_out_margin_high"]
    assert (numbers["held_out_rate"], numbers["held_out_answers"]) == (1.0, 16)
    assert (numbers["held_out_liked_before"], numbers["held_out_liked_after"]) == (-20.0, -17.5)
    assert numbers["held_out_disliked_after"] == -21.5
    assert "of liked answers went from -20.0 to -17.5, of disliked ones from -20.0 to -21.5" in proof.detail
    assert in_chinese(proof.covered).endswith("留出数据中喜欢的回答 8 个、不喜欢的 8 个")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            rated((True, -2.0), (False, 3.0)),
            "towards the disliked answers: over 2 trained answers the margin",
        ),
        (rated((True, 2.0)), "liked and disliked ones are needed"),
        ([Rated("x:1", False, True, -9.0, 2.0, -1.0), *rated((False, 0.0))], "-1.000 as served"),
    ],
)
def test_swapped_likes_one_kind_and_another_served_model_do_not_hold(rows: list[Rated], message: str) -> None:
    proof = prove_rated(rows)
    assert not proof.holds
    assert message in proof.detail
    assert "kto_tag is true for the good answers" in proof.hint
    assert in_chinese(proof.detail) != proof.detail


def test_answers_that_moved_the_wrong_way_are_named() -> None:
    proof = prove_rated(rated((True, 9.0), (True, -3.0), (False, -1.0), (False, -2.0)))
    assert proof.holds
    assert [one["where"] for one in proof.findings] == ["x:2"]
