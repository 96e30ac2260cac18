"""What trainers measure beside the loss, by training kind: names, and which direction is better. Pure.

The keys are LLaMA-Factory's, of trainer_state.json; on validation rows they begin with HELD_OUT. Its
trainer_log.jsonl has the share of preferred answers and PPO's reward alone; the others are live in the lines
that it prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.results import Sentence, joined

HELD_OUT = "eval_"
_ON_HELD_OUT = Sentence("held-out: ", "留出数据：")

Points = Sequence[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class TrainerMetric:
    """A number that a trainer logs.

    Attributes:
        label: one English word, for a column.
        rises: True if higher is better, False if lower is; None if neither.
        share: from 0 to 1, shown in per cent.
    """

    key: str
    name: Sentence
    label: str
    rises: bool | None = None
    share: bool = False

    def shown(self, value: float) -> str:
        """The value as text."""
        return f"{value:.0%}" if self.share else f"{value:.3g}"


PREFERRED = TrainerMetric(
    "rewards/accuracies",
    Sentence("better answer preferred", "偏好更好的回答"),
    "preferred",
    rises=True,
    share=True,
)
MARGIN = TrainerMetric("rewards/margins", Sentence("reward margin", "奖励差值"), "margin", rises=True)
BETTER = TrainerMetric("rewards/chosen", Sentence("reward of better answers", "更好回答的奖励"), "better")
WORSE = TrainerMetric("rewards/rejected", Sentence("reward of worse answers", "较差回答的奖励"), "worse")
# LLaMA-Factory's KTO trainer adds it up over the batches of a log line.
KL = TrainerMetric("kl", Sentence("KL, summed over batches", "KL（各批次之和）"), "kl")
SCORED = TrainerMetric(
    "accuracy",
    Sentence("better answer scored higher", "更好的回答得分更高"),
    "scored",
    rises=True,
    share=True,
)
REWARD = TrainerMetric("reward", Sentence("mean reward", "平均奖励"), "reward", rises=True)

# Training kind → its metrics, the most telling first. A kind that is not here has its losses alone.
METRICS: Mapping[str, tuple[TrainerMetric, ...]] = {
    "dpo": (PREFERRED, MARGIN, BETTER, WORSE),
    "kto": (MARGIN, BETTER, WORSE, KL),
    "reward": (SCORED,),
    "ppo": (REWARD,),
}
# Training kind → the metric by which a training ends early; of other kinds it is the loss. KTO logs margins
# only where a batch has both kinds of answers, so that its loss is the surer one.
WATCHED: Mapping[str, TrainerMetric] = {"dpo": PREFERRED, "ppo": REWARD}
# Kinds whose loss says nothing of the course: each step of PPO has answers of its own.
BY_METRIC_ALONE = frozenset({"ppo"})
KNOWN = {metric.key: metric for metrics in METRICS.values() for metric in metrics}
_SAID = 2


@dataclass(frozen=True, slots=True)
class MetricCourse:
    """A metric over a training.

    Attributes:
        better: "higher", "lower" or "". best, step: the best value, and the first step that had it; the last
            value where neither direction is better.
    """

    key: str
    name: Sentence
    better: str
    first: float
    last: float
    best: float
    step: int


def courses(kind: str, measured: Mapping[str, Points]) -> tuple[MetricCourse, ...]:
    """Of every metric of a kind that was measured: of the trained rows first, then of the held-out ones."""
    return tuple(
        _course(metric, prefix, points)
        for prefix in ("", HELD_OUT)
        for metric in METRICS.get(kind, ())
        if (points := measured.get(prefix + metric.key))
    )


def _course(metric: TrainerMetric, prefix: str, points: Points) -> MetricCourse:
    name = metric.name
    if prefix:
        name = joined([_ON_HELD_OUT, name], "", "")
    step, best = points[-1]
    if metric.rises is not None:
        step, best = (max if metric.rises else min)(points, key=lambda point: point[1])
    better = {True: "higher", False: "lower", None: ""}[metric.rises]
    return MetricCourse(prefix + metric.key, name, better, points[0][1], points[-1][1], best, step)


def said(kind: str, measured: Mapping[str, Points]) -> Sentence:
    """The most telling metrics from the first to the last value; empty if nothing was measured."""
    parts = []
    for prefix in ("", HELD_OUT):
        for metric in METRICS.get(kind, ())[:_SAID]:
            if points := measured.get(prefix + metric.key):
                ends = " → ".join(dict.fromkeys(metric.shown(value) for _, value in (points[0], points[-1])))
                parts.append(joined([_course(metric, prefix, points).name, ends], " ", " "))
    return joined(parts)
