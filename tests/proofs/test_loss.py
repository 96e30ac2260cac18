"""What the loss certificate says: of weights, of prompts, of training that did nothing, and of rounding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.proofs.loss import LIMITS, prove
from orchestrator.proofs.scores import Answer, Row, means
from orchestrator.results import in_chinese

FLOAT32 = ("float32", "float32")
BFLOAT16 = ("float32", "bfloat16")
TUNED = (-0.01, -0.02, -0.005, -0.03)
BASE = (-4.0, -6.0, -2.0, -5.0)
ELIGIBLE = {"trained": 90, "held_out": 4}


def row(
    weights: Sequence[float] = TUNED,
    prompt: Sequence[float] | None = None,
    *,
    line: int = 1,
    held_out: bool = False,
    trainer: Sequence[float] = TUNED,
    base: Sequence[float] = BASE,
) -> Row:
    """One row with one answer of four labels."""
    asked = weights if prompt is None else prompt
    answer = Answer(0, ("海", "螺", "。", "<end>"), trainer, base, weights, asked)
    return Row(f"data/海螺.jsonl:{line}", held_out, (answer,), -sum(trainer) / len(trainer))


def held_out() -> Row:
    """A held-out row, of which training has changed nothing."""
    return row(BASE, line=9, held_out=True, trainer=BASE)


def test_the_four_numbers_of_a_right_model() -> None:
    proof = prove([row(), row(line=2), held_out()], FLOAT32, ELIGIBLE)
    assert proof.holds
    assert proof.numbers["trained_trainer"] == proof.numbers["trained_served_prompt"] == 0.01625
    assert proof.numbers["trained_base"] == 4.25
    assert proof.numbers["held_out_labels"] == 4
    assert "2 of 90 trained rows (8 labels), 1 of 4 held-out rows" in proof.covered
    assert "logits at most 0.005 apart over the rows and 0.02 over one" in proof.covered
    assert "rounding of float32" in proof.covered


def test_a_served_base_is_wrong_weights_that_are_the_base() -> None:
    proof = prove([row(BASE), row(BASE, line=2)], FLOAT32, ELIGIBLE)
    assert not proof.holds
    assert proof.detail.startswith(
        "the weights are wrong: on trained rows the loss of the served weights is 4.2500"
    )
    assert "they are the base model's (4.2500): the adapter is not merged" in proof.detail
    assert "conch sft" in proof.hint
    assert proof.findings[0]["where"] == "data/海螺.jsonl:1"
    assert "first at label 0 of answer 1, '海': log p by the trainer -0.010" in proof.findings[0]["what"]


def test_a_stale_merge_is_wrong_weights_that_are_neither() -> None:
    stale = (-1.0, -3.0, -0.1, -0.4)
    proof = prove([row(stale)], FLOAT32, ELIGIBLE)
    assert "neither the trained model's nor the base's (4.2500): a stale merge" in proof.detail
    assert "without compilation" in proof.hint


def test_wrong_numerics_are_wrong_weights() -> None:
    noisy = tuple(p * 1.5 for p in TUNED)
    assert not prove([row(noisy)], FLOAT32, ELIGIBLE).holds
    wild = (-2.0, -0.01, -1.5, -3.0)
    assert not prove([row(wild)], BFLOAT16, ELIGIBLE).holds


def test_another_base_shows_on_held_out_rows_too() -> None:
    other = [p - 1.0 for p in BASE]
    proof = prove([row(), replace(held_out(), answers=row(other, trainer=BASE).answers)], FLOAT32, ELIGIBLE)
    assert "the weights are wrong: on held-out rows" in proof.detail


def test_a_prompt_that_is_wrong_is_told_from_weights_that_are() -> None:
    proof = prove([row(prompt=(-3.0, -0.5, -0.2, -0.1)), row(line=2)], FLOAT32, ELIGIBLE)
    assert not proof.holds
    assert proof.detail.startswith(
        "the prompt is wrong: on trained rows the loss of the same weights is 0.0163"
    )
    assert "chat template" in proof.hint
    assert "after the training prompt -0.010, after the served one -3.000" in proof.findings[0]["what"]


def test_a_prompt_that_opens_the_answer_is_scored_from_there() -> None:
    opened = replace(row().answers[0], prompt=TUNED[2:], prefilled=2)
    assert prove([replace(row(), answers=(opened,))], FLOAT32, ELIGIBLE).holds


def test_training_that_changed_nothing() -> None:
    proof = prove([row(BASE, trainer=BASE)], FLOAT32, ELIGIBLE)
    assert not proof.holds
    assert "training changed nothing: trainer 4.2500, base 4.2500" in proof.detail
    assert "train.lora_target" in proof.hint


def test_rounding_holds_within_its_dtype_alone() -> None:
    # An error of e in the logits moves log p by e·(1 − p).
    rounded = [p - 0.1 * 0.05 for p in TUNED]
    sure = prove([row(rounded)], FLOAT32, ELIGIBLE)
    assert not sure.holds
    assert prove([row([p * 1.1 for p in TUNED])], BFLOAT16, ELIGIBLE).holds
    assert prove([row([p * 1.1 for p in TUNED])], ("bfloat16", "float32"), ELIGIBLE).holds
    assert not prove([row([p * 1.1 for p in TUNED])], ("float32", "float16"), ELIGIBLE).holds


def test_one_wrong_row_among_many_is_seen() -> None:
    rows = [row(line=line) for line in range(1, 200)]
    rows[150] = row([p * 1.05 for p in TUNED], line=151)
    proof = prove(rows, FLOAT32, ELIGIBLE)
    assert not proof.holds
    assert "worst data/海螺.jsonl:151" in proof.detail
    assert [finding["where"] for finding in proof.findings] == ["data/海螺.jsonl:151"]


def test_worse_on_held_out_rows_is_said_and_no_failure() -> None:
    worse = row([p - 1 for p in BASE], held_out=True, trainer=[p - 1 for p in BASE])
    proof = prove([row(), worse], FLOAT32, ELIGIBLE)
    assert proof.holds
    assert "on held-out rows the trained model is worse than the base" in proof.detail


@pytest.mark.parametrize("error", ["", "the server refuses it (HTTP 400): too long"])
def test_nothing_scored_is_no_proof(error: str) -> None:
    rows = [Row("data/海螺.jsonl:1", held_out=False, answers=(), error=error)] if error else []
    proof = prove(rows, FLOAT32, {"trained": 0, "held_out": 0})
    assert not proof.holds
    assert proof.detail.startswith("no row was scored: ")
    assert error in proof.detail


def test_what_was_not_scored_is_said() -> None:
    silent = replace(row().answers[0], prompt=(), error="the server refuses it")
    rows = [
        row(),
        replace(row(line=2), answers=(silent,)),
        Row("x:3", held_out=False, answers=(), error="too long"),
    ]
    proof = prove(rows, FLOAT32, ELIGIBLE)
    assert proof.holds
    assert "1 rows that the server rejected" in proof.not_covered
    assert "1 answers whose prompt the server rejected" in proof.not_covered
    assert "held-out rows: there are none" in proof.not_covered
    assert not prove(rows[1:2], FLOAT32, ELIGIBLE).holds


def test_a_loss_of_another_kind_is_said() -> None:
    assert "own loss function" in prove([replace(row(), loss=0.5)], FLOAT32, ELIGIBLE).not_covered


def test_limits_widen_with_the_dtype() -> None:
    assert list(LIMITS.values()) == sorted(LIMITS.values())
    assert all(mean < one for mean, one in LIMITS.values())


def test_share_says_how_much_of_the_training_is_served() -> None:
    assert means([row(BASE)]).share == 0
    assert means([row()]).share == 1
    halfway = [(tuned + base) / 2 for tuned, base in zip(TUNED, BASE, strict=True)]
    assert means([row(halfway)]).share == pytest.approx(0.5)


def test_pairs_are_counted_once_and_rated_rows_one_by_one() -> None:
    """Of a pair both answers are scored; eligible are pairs."""
    rows = [replace(row(line=line), liked=liked) for line in (1, 2) for liked in (True, False)]
    proof = prove(rows, FLOAT32, {"trained": 36, "held_out": 0}, pairs=True)
    assert "2 of 36 trained pairs (16 labels)" in proof.covered
    assert "36 对中的 2 对（16 个标签）" in in_chinese(proof.covered)
    assert "4 of 36 trained rows (16 labels)" in prove(rows, FLOAT32, {"trained": 36}).covered


def test_disliked_held_out_rows_that_became_less_likely_are_no_warning() -> None:
    less = [p - 9 for p in BASE]
    worse = replace(held_out(), answers=row(less, trainer=less).answers)
    said = [prove([row(), replace(worse, liked=liked)], FLOAT32, ELIGIBLE).detail for liked in (None, False)]
    assert ["worse than the base" in one for one in said] == [True, False]
