"""Log probabilities of the same labels from trainer, base and server, and how far apart they are. Pure.

|Δ log p| depends on the model's confidence, so the error in the logits that explains the difference is
measured instead. An error e in the logits moves log p by at most about e·(1 − p), so
e = Σ|Δ log p| / Σ(1 − p), p the smaller of the two, plus 0.001 for each label, so that memorized labels do
not divide by zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.results import Sentence

FLOOR = 1e-3
GROUPS = {"trained": Sentence("trained", "训练"), "held_out": Sentence("held-out", "留出")}


@dataclass(frozen=True, slots=True)
class Answer:
    """One trained answer's labels, scored in four ways.

    Attributes:
        tokens: each label's text, with its surroundings.
        trainer, base, weights: log probabilities, one a label. prompt: those of the labels after the first
            `prefilled`, which the served prompt already contains.
        error: why there is no prompt; "" if there is one.
    """

    turn: int
    tokens: Sequence[str]
    trainer: Sequence[float]
    base: Sequence[float]
    weights: Sequence[float]
    prompt: Sequence[float] = ()
    prefilled: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `loss` comes from the trainer's compute_loss, `error` says why the server did not score it.

    `liked`: whether it is a better or a liked answer, or a worse or disliked one; None if it is neither.
    """

    where: str
    held_out: bool
    answers: Sequence[Answer]
    loss: float = 0.0
    error: str = ""
    liked: bool | None = None

    @property
    def group(self) -> str:
        """One of GROUPS."""
        return "held_out" if self.held_out else "trained"


@dataclass(frozen=True, slots=True)
class Means:
    """Over some labels: the four losses, in nats per label, and the errors in the logits between them.

    Attributes:
        prompted: labels that were scored after the served prompt; prompt_off covers those.
        weights_off: served weights against the trainer. prompt_off: served prompt against served weights.
        base_off: trainer against base.
        share: how much of the effect of training on these labels the server has: 1 all, 0 nothing.
    """

    labels: int
    prompted: int
    trainer: float
    weights: float
    prompt: float
    base: float
    weights_off: float
    prompt_off: float
    base_off: float
    share: float


def means(rows: Sequence[Row]) -> Means:
    """Every mean over the labels of these rows; all zero without any."""
    answers = [answer for row in rows for answer in row.answers]
    labels = [
        each for answer in answers for each in zip(answer.trainer, answer.weights, answer.base, strict=True)
    ]
    pairs = [pair for answer in answers for pair in behind(answer)]
    moved = sum((trainer - base) ** 2 for trainer, _, base in labels)
    along = sum((weights - base) * (trainer - base) for trainer, weights, base in labels)
    return Means(
        labels=len(labels),
        prompted=len(pairs),
        trainer=mean([-trainer for trainer, _, _ in labels]),
        weights=mean([-weights for _, weights, _ in labels]),
        prompt=mean([-prompt for _, prompt in pairs]),
        base=mean([-base for _, _, base in labels]),
        weights_off=apart([(trainer, weights) for trainer, weights, _ in labels]),
        prompt_off=apart(pairs),
        base_off=apart([(trainer, base) for trainer, _, base in labels]),
        share=along / moved if moved else 1.0,
    )


def behind(answer: Answer) -> Iterator[tuple[float, float]]:
    """(log p of the served weights, of the served prompt) of each label that both scored."""
    return zip(answer.weights[answer.prefilled :], answer.prompt, strict=False)


def apart(pairs: Sequence[tuple[float, float]]) -> float:
    """The error in the logits that explains how far two log probabilities of each label are apart.

    >>> round(apart([(-0.01, -0.01)]), 3), round(apart([(-0.01, -3.0)]), 1)
    (0.0, 3.1)
    """
    room = sum(1 - math.exp(min(0.0, *pair)) + FLOOR for pair in pairs)
    return sum(abs(one - other) for one, other in pairs) / room if pairs else 0.0


def mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return sum(values) / len(values) if values else 0.0
