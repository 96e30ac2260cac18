"""The course of a training's losses: has it ended, and what should be changed. Pure.

A training's loss is noisy, so stretches of it are compared by their medians, and what counts as a fall is a
hundredth of the loss that it began with. Not covered: whether a low loss means good answers; that is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

# Fewer losses than this are no course.
FEWEST = 10
# Of the first loss: a stretch that fell less has not fallen.
FALL = 0.01
# Of the first loss: a training that lost less in all has hardly learnt.
LEARNT = 0.3
# Of the best validation: a last one that lies so much above it has turned.
TURNED = 0.02
TAIL = 0.2

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """What a course shows.

    Attributes:
        kind: rising, turned, slow, falling, flat or done; "short" when there is too little to say.
        sentence: what was seen, with its numbers.
        advice: what to change, "" for nothing.
        step: where it was seen: the best validation, or the last step.
        ended: why the training ended before its last step: "flat", "turned" or "".
    """

    kind: str
    sentence: str
    advice: str
    step: int
    ended: str = ""

    def to_json(self) -> dict[str, Any]:
        """As curve.json holds it."""
        return asdict(self)


def is_flat(losses: Points, total: int, share: float) -> bool:
    """Whether the loss has not fallen over the last `share` of all steps.

    Args:
        losses: (step, loss), in order.
        total: steps of the whole training.
        share: 0 to 1; 0 is never flat.
    """
    if not share or not losses:
        return False
    tail = [loss for step, loss in losses if step > losses[-1][0] - share * total]
    # The loss that stands still must have stood there for the whole stretch, warm-up not counted.
    if len(tail) < FEWEST or losses[-1][0] < 2 * share * total:
        return False
    return _fall(tail) < FALL * losses[0][1]


def course_of(losses: Points, validations: Points, total: int, *, plateau: float = 0.0) -> Curve:
    """What the whole course shows, the gravest first.

    Args:
        losses: (step, training loss), in order.
        validations: (step, validation loss), in order.
        total: steps that were planned.
        plateau: the share given to is_flat while it trained; 0 when it could not end by that.
    """
    if len(losses) < FEWEST:
        return Curve("short", f"{len(losses)} losses are too few to judge by", "", _last(losses))
    early = _last(losses) < total
    flat = is_flat(losses, total, plateau)
    ended = ("flat" if flat else "turned" if validations else "") if early else ""
    turned = _turned(validations, total)
    kind, sentence, advice, step = _diverged(losses) or turned or _fell(losses, total, flat=flat and early)
    return Curve(kind, sentence, advice, step, ended)


_Seen = tuple[str, str, str, int]


def _diverged(losses: Points) -> _Seen | None:
    first, last = losses[0][1], _end(losses)
    if not all(math.isfinite(loss) for _, loss in losses):
        what = "the loss is no number any more"
    elif last > first * (1 + FALL):
        what = f"the loss rose from {first:.3g} to {last:.3g}"
    else:
        return None
    return "rising", what, "a lower learning rate", _last(losses)


def _fell(losses: Points, total: int, *, flat: bool) -> _Seen:
    first, last, step = losses[0][1], _end(losses), _last(losses)
    tail = [loss for at, loss in losses if at > step - TAIL * total]
    what = f"the loss fell from {first:.3g} to {last:.3g} in {step} steps"
    if first - last < LEARNT * first:
        little = what if last < first else f"the loss stayed at {first:.3g} for {step} steps"
        return "slow", f"{little}: hardly anything was learnt", "a higher learning rate", step
    if flat:
        return "flat", f"{what}, then stood still: the training was ended there", "", step
    if len(tail) >= FEWEST // 2 and _fall(tail) >= FALL * first:
        return "falling", f"{what}, and still falls at the end", "more epochs", step
    return "done", f"{what}, and stands still at the end", "", step


def _end(losses: Points) -> float:
    """What the last tenth comes to."""
    return median(loss for _, loss in losses[-max(3, len(losses) // 10) :])


def _turned(validations: Points, total: int) -> _Seen | None:
    if len(validations) < 3 or not all(math.isfinite(loss) for _, loss in validations):  # noqa: PLR2004
        return None
    step, best = min(validations, key=lambda point: point[1])
    end = validations[-1][1]
    if end <= best * (1 + TURNED):
        return None
    what = (
        f"the validation loss was best at step {step} of {total} ({best:.3g}), and is {end:.3g} at the end: "
        "from there on the rows are learnt by heart"
    )
    return "turned", what, "fewer epochs, or more data", step


def _fall(values: Sequence[float]) -> float:
    """From the first half's median to the second's."""
    half = len(values) // 2
    return median(values[:half]) - median(values[half:])


def _last(points: Points) -> int:
    return points[-1][0] if points else 0
