"""preference: training moved the served model towards the better answers, measured against its base.

A pair's margin is how much more training raised log p of its better answer than of its worse one: (log p −
log p of the base) of the better, minus the same of the worse; the whole answers' sums, in nats. It is
measured with the trainer's probabilities and with the served model's (prompt_logprobs on the training ids);
the proof `loss` shows that the two agree label by label. A pair counts as learned when its margin is above 0.

It holds if the mean margin of the trained pairs is above 0 for both. What held-out pairs show is reported
with its interval: whether that is enough is the recipe's own decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.metrics.interval import bootstrap, wilson
from orchestrator.proofs.findings import Finding
from orchestrator.proofs.scores import GROUPS, Row, mean
from orchestrator.results import Proof, Sentence, joined

LISTED = 50


@dataclass(frozen=True, slots=True)
class Margin:
    """One pair: its place, and its margin by the trainer and by the served model, in nats."""

    where: str
    held_out: bool
    trainer: float
    served: float

    @classmethod
    def of(cls, better: Row, worse: Row) -> Margin:
        """The margin of two scored answers to one prompt."""
        trainer, served = (
            _gain(better, weights=weights) - _gain(worse, weights=weights) for weights in (False, True)
        )
        return cls(better.where, better.held_out, trainer, served)


def _gain(row: Row, *, weights: bool) -> float:
    """How much training raised log p of a row's answers, with the served weights or the trainer's."""
    return sum(
        sum(answer.weights if weights else answer.trainer) - sum(answer.base) for answer in row.answers
    )


def prove(margins: Iterable[Margin]) -> Proof:
    """The proof over the scored pairs."""
    pairs = list(margins)
    groups = {name: [one for one in pairs if one.held_out == (name == "held_out")] for name in GROUPS}
    trained = groups["trained"]
    cause = _cause(trained)
    return Proof(
        name="preference",
        holds=cause is None,
        covered=joined(
            [
                Sentence(f"{len(found)} {GROUPS[name]} pairs", f"{len(found)} 对{GROUPS[name].zh}数据")
                for name, found in groups.items()
            ],
            ", ",
            "，",
        ),
        numbers={key: value for name, found in groups.items() for key, value in _numbers(name, found)},
        detail=cause or joined([_said(name, found) for name, found in groups.items() if found]),
        hint=_HINT if cause else "",
        not_covered="" if groups["held_out"] else _NONE_HELD_OUT,
        findings=tuple(_findings(trained)),
    )


_HINT = Sentence(
    "check that chosen is the better answer in the data; then train.learning_rate, train.epochs and"
    " preference.beta",
    "请检查数据中 chosen 是否为更好的回答，再检查 train.learning_rate、preference.beta 和训练轮数",
)
_NONE_HELD_OUT = Sentence(
    "held-out pairs: there are none (data.validation_share, data.split or data.validation)",
    "留出的偏好对：没有（可设置 data.validation_share、data.split 或 data.validation）",
)


def _cause(trained: Sequence[Margin]) -> Sentence | None:
    if not trained:
        return Sentence("no trained pair was scored", "没有对任何训练用的偏好对计算概率")
    trainer, served = (mean([getattr(one, name) for one in trained]) for name in ("trainer", "served"))
    if min(trainer, served) > 0:
        return None
    return Sentence(
        f"training moved the model towards the worse answers: the mean margin of {len(trained)} trained"
        f" pairs is {trainer:.3f} by the trainer and {served:.3f} as served",
        f"训练让模型偏向了较差的回答：{len(trained)} 对训练数据的平均差值，训练器为 {trainer:.3f}，"
        f"服务端为 {served:.3f}",
    )


def _numbers(name: str, found: Sequence[Margin]) -> Iterator[tuple[str, float]]:
    served = [one.served for one in found]
    good = sum(value > 0 for value in served)
    yield f"{name}_pairs", len(found)
    if not found:
        return
    low, high = bootstrap(served)
    yield f"{name}_margin", round(mean(served), 4)
    yield f"{name}_margin_trainer", round(mean([one.trainer for one in found]), 4)
    yield f"{name}_margin_low", round(low, 4)
    yield f"{name}_margin_high", round(high, 4)
    rates = (good / len(found), *wilson(good, len(found)))
    for key, value in zip(("accuracy", "accuracy_low", "accuracy_high"), rates, strict=True):
        yield f"{name}_{key}", round(value, 4)


def _said(name: str, found: Sequence[Margin]) -> Sentence:
    served = [one.served for one in found]
    good, (low, high) = sum(value > 0 for value in served), bootstrap(served)
    group, margin = GROUPS[name], mean(served)
    return Sentence(
        f"{group}: margin {margin:.2f} nats (95 % from {low:.2f} to {high:.2f}), better answer preferred in"
        f" {good} of {len(found)}",
        f"{group.zh}：差值 {margin:.2f} nats（95 % 区间 {low:.2f} 到 {high:.2f}），"
        f"{len(found)} 对中有 {good} 对偏好更好的回答",
    )


def _findings(trained: Sequence[Margin]) -> Iterator[Finding]:
    """The trained pairs that are not learned, worst first."""
    for one in sorted(trained, key=lambda one: one.served)[:LISTED]:
        if one.served <= 0:
            what = Sentence(f"the margin is {one.served:.2f} nats", f"差值为 {one.served:.2f} nats")
            yield {"what": what, "where": one.where}
