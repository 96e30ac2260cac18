"""QLoRA's part of the loss proof: the served model beside the quantized one that was trained."""

from __future__ import annotations

from orchestrator.proofs.loss import prove
from tests.proofs.test_loss import BASE, ELIGIBLE, FLOAT32, TUNED, held_out, row


def test_the_distance_from_the_trained_model_is_told_by_loss() -> None:
    proof = prove(
        [row(), held_out()], FLOAT32, ELIGIBLE, quantized={"bits": 4, "trained": 0.01, "held_out": 4.5}
    )
    assert proof.holds
    assert "the 4-bit model that was trained: trained rows 0.0100, served +0.0063" in proof.detail
    assert "held-out rows 4.5000, served -0.2500" in proof.detail
    assert proof.numbers["trained_quantized"] == 0.01


def test_a_merge_that_lost_most_of_the_training_is_not_the_trained_model() -> None:
    """Right weights, but the full-precision base does not answer as the quantized one did."""
    weak = tuple(value * 0.8 for value in BASE)
    found = row(weak, trainer=weak)
    proof = prove([found], FLOAT32, ELIGIBLE, quantized={"bits": 4, "trained": 0.02})
    assert not proof.holds
    assert "the 4-bit model that was trained has a loss of 0.0200, the served one 3.4000" in proof.detail
    assert "train.quantization_bit: 8" in proof.hint


def test_wrong_weights_are_told_first() -> None:
    proof = prove([row(BASE, trainer=TUNED)], FLOAT32, ELIGIBLE, quantized={"bits": 8, "trained": 0.01})
    assert "the weights are wrong" in proof.detail
