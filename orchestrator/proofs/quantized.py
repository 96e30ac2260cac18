"""How far the served model is from the quantized one that QLoRA trained, by loss: a part of the proof `loss`.

The adapter learns on a base in 4 or 8 bits, and is merged into the base in full precision, whose weights are
others by the error of quantization. The merge is right if it equals full-precision base and adapter; whether
it still is the trained model is another question, and this is its answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from orchestrator.proofs.scores import GROUPS, Means
from orchestrator.results import Sentence, joined

# More of what training gained than this lost in the merge, and the served model is not the trained one.
MOST_LOST = 0.5
# A difference of the means below it is none.
NO_LOSS = 0.05


class Quantized(TypedDict, total=False):
    """What probes/trainer_loss.py writes: the bits, and the mean loss of a label of each group."""

    bits: int
    trained: float
    held_out: float


def distance(quantized: Quantized, measured: Mapping[str, Means]) -> Sentence:
    """The loss of the model that was trained, and how far the served one is from it."""
    bits = quantized["bits"]
    parts = [
        Sentence(
            f"{GROUPS[name]} rows {loss:.4f}, served {found.weights - loss:+.4f}",
            f"{GROUPS[name].zh}数据 {loss:.4f}，部署后 {found.weights - loss:+.4f}",
        )
        for name, loss, found in _pairs(quantized, measured)
    ]
    model = Sentence(f"the {bits}-bit model that was trained", f"训练时的 {bits} 位模型")
    return joined([model, joined(parts)], ": ", "：")


def lost(quantized: Quantized, measured: Mapping[str, Means]) -> tuple[Sentence, Sentence] | None:
    """(what is wrong, what fixes it) if the merge lost most of what training gained on trained rows."""
    for name, loss, found in _pairs(quantized, measured):
        behind, gained = found.weights - loss, found.base - loss
        if name == "trained" and behind > NO_LOSS and behind > MOST_LOST * gained:
            bits = quantized["bits"]
            return Sentence(
                f"the served model is not the trained one: on {GROUPS[name]} rows the {bits}-bit model that"
                f" was trained has a loss of {loss:.4f}, the served one {found.weights:.4f}, the base"
                f" {found.base:.4f}",
                f"部署的模型不是训练出的模型：在{GROUPS[name].zh}数据上，"
                f"训练时的 {bits} 位模型损失为 {loss:.4f}，"
                f"部署的模型为 {found.weights:.4f}，基座为 {found.base:.4f}",
            ), Sentence(
                "train longer, set train.quantization_bit: 8, or delete it",
                "增加训练轮数，或设置 train.quantization_bit: 8，或删除它",
            )
    return None


def numbers(quantized: Quantized, measured: Mapping[str, Means]) -> dict[str, float]:
    """The losses of the model that was trained."""
    return {f"{name}_quantized": loss for name, loss, _ in _pairs(quantized, measured)}


def _pairs(quantized: Quantized, measured: Mapping[str, Means]) -> list[tuple[str, float, Means]]:
    losses = {"trained": quantized.get("trained"), "held_out": quantized.get("held_out")}
    return [
        (name, loss, measured[name]) for name, loss in losses.items() if loss is not None and name in measured
    ]
