"""The loss curve of a training: whether it converged, and what to change. Pure.

The loss is noisy, so parts of it are compared by their medians, and a drop counts if it is at least 1 % of
the first loss. A low loss does not mean good answers: the checks ask for those.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from orchestrator.evaluation.trainer_metrics import BY_METRIC_ALONE, HELD_OUT, WATCHED, TrainerMetric, said
from orchestrator.results import Sentence, joined

# With fewer losses there is no verdict.
FEWEST = 10
# Share of the first loss: a smaller drop is none.
FALL = 0.01
# Share of the first loss: with a smaller drop in all, hardly anything was learned.
LEARNT = 0.3
# Share of the best validation loss: a final loss this much above it means overfitting.
TURNED = 0.02
# Share of the steps at the end that decides whether the loss still falls.
TAIL = 0.2

LOWER_RATE = Sentence("a lower learning rate", "降低学习率")
HIGHER_RATE = Sentence("a higher learning rate", "提高学习率")
MORE_EPOCHS = Sentence("more epochs", "增加训练轮数")
FEWER_EPOCHS = Sentence("fewer epochs, or more data", "减少训练轮数，或增加数据")
NOTHING = Sentence()

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """The verdict on a loss curve.

    Attributes:
        kind: rising, turned, slow, falling, flat or done; "short" if there are too few losses.
        sentence: what the curve shows, with numbers.
        advice: what to change, "" for nothing.
        step: the step it refers to: the best validation, or the last step.
        ended: why the training ended before its last step: "flat", "turned" or "".
    """

    kind: str
    sentence: Sentence
    advice: Sentence
    step: int
    ended: str = ""


def is_flat(losses: Points, total: int, share: float, *, rises: bool = False) -> bool:
    """Whether the loss did not fall, or a metric not rise, over the last `share` of all steps.

    Args:
        losses: (step, value), in order.
        total: steps of the whole training.
        share: 0 to 1; 0 is never flat.
        rises: higher values are better. They may begin at 0, so they are measured by their largest.
    """
    if not share or not losses:
        return False
    tail = [loss for step, loss in losses if step > losses[-1][0] - share * total]
    # There must be a whole such part after the first one, which is warm-up.
    if len(tail) < FEWEST or losses[-1][0] < 2 * share * total:
        return False
    if rises:
        return -_fall(tail) < FALL * max(abs(value) for _, value in losses)
    return _fall(tail) < FALL * losses[0][1]


def course_of(
    losses: Points,
    validations: Points,
    total: int,
    *,
    plateau: float = 0.0,
    kind: str = "sft",
    measured: Mapping[str, Points] | None = None,
) -> Curve:
    """The verdict on the whole curve, the most serious first.

    Args:
        losses: (step, training loss), in order.
        validations: (step, validation loss), in order.
        total: planned steps.
        plateau: the share passed to is_flat during training; 0 if training could not end by that.
        kind: train.kind.
        measured: what its trainer measured beside the loss, by the trainer's names.
    """
    measured = measured or {}
    if len(losses) < FEWEST:
        few = Sentence(f"{len(losses)} losses are too few to judge", f"只有 {len(losses)} 个损失值，无法判断")
        return Curve("short", joined([few, said(kind, measured)]), NOTHING, _last(losses))
    early = _last(losses) < total
    watched = WATCHED.get(kind)
    points = measured.get(watched.key, ()) if watched else losses
    flat = is_flat(points, total, plateau, rises=watched is not None)
    ended = ("flat" if flat else "turned" if validations else "") if early else ""
    verdict = _by_metric(points) if kind in BY_METRIC_ALONE else None
    if verdict is None:
        held_out = measured.get(HELD_OUT + watched.key, ()) if watched else ()
        turned = _metric_turned(held_out, total, watched) if watched else _turned(validations, total)
        verdict = _diverged(losses) or turned or _fell(losses, total, flat=flat and early and not watched)
    shape, sentence, advice, step = verdict
    if watched and flat and early and shape in {"falling", "done"}:
        stood = Sentence(
            f'"{watched.name}" stopped rising: training ended there',
            f"“{watched.name.zh}”不再上升，训练就此结束",
        )
        shape, sentence, advice = "flat", joined([sentence, stood]), NOTHING
    return Curve(shape, joined([sentence, said(kind, measured)]), advice, step, ended)


_Verdict = tuple[str, Sentence, Sentence, int]


def _diverged(losses: Points) -> _Verdict | None:
    first, last = losses[0][1], _end(losses)
    if not all(math.isfinite(loss) for _, loss in losses):
        what = Sentence("the loss is not a finite number", "损失不再是有限数")
    elif last > first * (1 + FALL):
        change = f"{first:.3g}", f"{last:.3g}"
        what = Sentence("the loss rose from {} to {}".format(*change), "损失从 {} 上升到 {}".format(*change))
    else:
        return None
    return "rising", what, LOWER_RATE, _last(losses)


def _fell(losses: Points, total: int, *, flat: bool) -> _Verdict:
    first, last, step = losses[0][1], _end(losses), _last(losses)
    tail = [loss for at, loss in losses if at > step - TAIL * total]
    en = f"the loss fell from {first:.3g} to {last:.3g} in {step} steps"
    zh = f"损失在 {step} 步内从 {first:.3g} 降到 {last:.3g}"
    if first - last < LEARNT * first:
        if last >= first:
            en, zh = f"the loss stayed at {first:.3g} for {step} steps", f"损失在 {step} 步内停在 {first:.3g}"
        little = Sentence(f"{en}: hardly anything was learned", f"{zh}：几乎没有学到东西")
        return "slow", little, HIGHER_RATE, step
    if flat:
        what = Sentence(
            f"{en}, then stopped falling: training ended there", f"{zh}，随后不再下降，训练就此结束"
        )
        return "flat", what, NOTHING, step
    if len(tail) >= FEWEST // 2 and _fall(tail) >= FALL * first:
        still = Sentence(f"{en}, and still falls at the end", f"{zh}，结束时仍在下降")
        return "falling", still, MORE_EPOCHS, step
    return "done", Sentence(f"{en}, and is stable at the end", f"{zh}，结束时已平稳"), NOTHING, step


def _end(losses: Points) -> float:
    """The median of the last tenth."""
    return median(loss for _, loss in losses[-max(3, len(losses) // 10) :])


def _turned(validations: Points, total: int) -> _Verdict | None:
    if len(validations) < 3 or not all(math.isfinite(loss) for _, loss in validations):  # noqa: PLR2004
        return None
    step, best = min(validations, key=lambda point: point[1])
    end = validations[-1][1]
    if end <= best * (1 + TURNED):
        return None
    what = Sentence(
        f"the validation loss was lowest at step {step} of {total} ({best:.3g}) and is {end:.3g} at the end: "
        "after that step the model overfits",
        f"验证损失在第 {step} 步（共 {total} 步）最低（{best:.3g}），结束时为 {end:.3g}：此后模型过拟合",
    )
    return "turned", what, FEWER_EPOCHS, step


def _metric_turned(points: Points, total: int, metric: TrainerMetric) -> _Verdict | None:
    if len(points) < 3:  # noqa: PLR2004
        return None
    step, best = max(points, key=lambda point: point[1])
    end = points[-1][1]
    if end >= best - TURNED * abs(best):
        return None
    what = Sentence(
        f'on held-out rows "{metric.name}" was highest at step {step} of {total} ({metric.shown(best)}) and'
        f" is {metric.shown(end)} at the end: after that step the model overfits",
        f"留出数据上的“{metric.name.zh}”在第 {step} 步（共 {total} 步）最高（{metric.shown(best)}），"
        f"结束时为 {metric.shown(end)}：此后模型过拟合",
    )
    return "turned", what, FEWER_EPOCHS, step


def _by_metric(points: Points) -> _Verdict | None:
    """Whether a metric that is to rise did; None with too few of them."""
    if len(points) < FEWEST:
        return None
    values = [value for _, value in points]
    rose = -_fall(values)
    if rose > FALL * max(map(abs, values)):
        what = Sentence("the metric of this training rose", "这种训练的指标上升了")
        return "done", what, NOTHING, _last(points)
    what = Sentence("the metric of this training did not rise", "这种训练的指标没有上升")
    return "slow", what, HIGHER_RATE, _last(points)


def _fall(values: Sequence[float]) -> float:
    """The drop from the first half's median to the second's."""
    half = len(values) // 2
    return median(values[:half]) - median(values[half:])


def _last(points: Points) -> int:
    return points[-1][0] if points else 0
