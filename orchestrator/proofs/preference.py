"""preference: training moved the served model towards the better or liked answers, measured against its base.

A pair's margin is how much more training raised log p of its better answer than of its worse one: (log p −
log p of the base) of the better, minus the same of the worse; the whole answers' sums, in nats. It is
measured with the trainer's probabilities and with the served model's (prompt_logprobs on the training ids);
the proof `loss` shows that the two agree label by label. A pair counts as learned when its margin is above 0.

Rated answers have no pair: their margin is the mean over the liked ones of how much training raised log p,
minus the mean over the disliked ones. A rate says how often a liked answer was raised more than a disliked
one, over every two of them: before training that is a half.

It holds if the mean margin of the trained rows is above 0 for both. What held-out pairs show is reported
with its interval: whether that is enough is the recipe's own decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.metrics.interval import bootstrap, resampled, wilson
from orchestrator.proofs.findings import LISTED, Finding
from orchestrator.proofs.scores import GROUPS, Row, mean
from orchestrator.results import Proof, Sentence, joined


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


@dataclass(frozen=True, slots=True)
class Rated:
    """One liked or disliked answer: how much training raised its log p, by the trainer and as served.

    `base` is log p of the whole answer before training, in nats.
    """

    where: str
    held_out: bool
    liked: bool
    base: float
    trainer: float
    served: float

    @classmethod
    def of(cls, row: Row) -> Rated:
        """The gain of a scored row."""
        base = sum(sum(answer.base) for answer in row.answers)
        gains = (_gain(row, weights=weights) for weights in (False, True))
        return cls(row.where, row.held_out, bool(row.liked), base, *gains)


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


def prove_rated(rated: Iterable[Rated]) -> Proof:
    """The proof over scored answers that were liked or disliked."""
    rows = list(rated)
    groups = {name: [one for one in rows if one.held_out == (name == "held_out")] for name in GROUPS}
    cause = _cause_of_rated(groups["trained"])
    measured = {name: dict(_rates(name, found)) for name, found in groups.items() if _both(found)}
    counts = {name: (sum(one.liked for one in found), len(found)) for name, found in groups.items()}
    return Proof(
        name="preference",
        holds=cause is None,
        covered=joined(
            [
                Sentence(
                    f"{liked} liked and {total - liked} disliked {GROUPS[name]} answers",
                    f"{GROUPS[name].zh}数据中喜欢的回答 {liked} 个、不喜欢的 {total - liked} 个",
                )
                for name, (liked, total) in counts.items()
            ],
            ", ",
            "，",
        ),
        numbers={key: value for numbers in measured.values() for key, value in numbers.items()},
        detail=cause or joined([_said_of_rated(name, numbers) for name, numbers in measured.items()]),
        hint=_HINT_OF_RATED if cause else "",
        not_covered="" if "held_out" in measured else _NONE_HELD_OUT,
        findings=tuple(_unlearned(groups["trained"])),
    )


_HINT_OF_RATED = Sentence(
    "check that kto_tag is true for the good answers in the data; then train.learning_rate, train.epochs and"
    " preference.beta",
    "请检查数据中好的回答的 kto_tag 是否为 true，再检查 train.learning_rate、preference.beta 和训练轮数",
)


def _both(found: Sequence[Rated]) -> bool:
    return {one.liked for one in found} == {True, False}


def _margin(found: Sequence[Rated], *, trainer: bool = False) -> float:
    """How much more the liked answers were raised; 0 if one kind is missing, as in a resample."""
    if not _both(found):
        return 0.0
    gains = [(one.liked, one.trainer if trainer else one.served) for one in found]
    liked, disliked = ([gain for is_liked, gain in gains if is_liked is kind] for kind in (True, False))
    return mean(liked) - mean(disliked)


def _rate(found: Sequence[Rated]) -> float:
    """How often a liked answer was raised more than a disliked one, a tie as a half."""
    liked = [one.served for one in found if one.liked]
    disliked = [one.served for one in found if not one.liked]
    won = sum((mine > theirs) + (mine == theirs) / 2 for mine in liked for theirs in disliked)
    return won / (len(liked) * len(disliked)) if liked and disliked else 0.5


def _cause_of_rated(trained: Sequence[Rated]) -> Sentence | None:
    if not _both(trained):
        return Sentence(
            "no trained answer of each kind was scored: liked and disliked ones are needed",
            "需要喜欢和不喜欢两种训练数据，但没有对两种都计算概率",
        )
    trainer, served = _margin(trained, trainer=True), _margin(trained)
    if min(trainer, served) > 0:
        return None
    return Sentence(
        f"training moved the model towards the disliked answers: over {len(trained)} trained answers the"
        f" margin is {trainer:.3f} by the trainer and {served:.3f} as served",
        f"训练让模型偏向了不喜欢的回答：{len(trained)} 个训练回答上的差值，训练器为 {trainer:.3f}，"
        f"服务端为 {served:.3f}",
    )


def _rates(name: str, found: Sequence[Rated]) -> Iterator[tuple[str, float]]:
    yield f"{name}_answers", len(found)
    yield f"{name}_margin_trainer", round(_margin(found, trainer=True), 4)
    measures: dict[str, Callable[[Sequence[Rated]], float]] = {"margin": _margin, "rate": _rate}
    for key, measure in measures.items():
        low, high = resampled(found, measure)
        values = {key: measure(found), f"{key}_low": low, f"{key}_high": high}
        yield from ((f"{name}_{one}", round(value, 4)) for one, value in values.items())
    for key, liked in (("liked", True), ("disliked", False)):
        rows = [one for one in found if one.liked is liked]
        yield f"{name}_{key}_before", round(mean([one.base for one in rows]), 4)
        yield f"{name}_{key}_after", round(mean([one.base + one.served for one in rows]), 4)


def _said_of_rated(name: str, numbers: Mapping[str, float]) -> Sentence:
    margin, low, high = (numbers[f"{name}_margin{end}"] for end in ("", "_low", "_high"))
    rate = numbers[f"{name}_rate"]
    group = GROUPS[name]
    moved = {
        key: [numbers[f"{name}_{key}_{at}"] for at in ("before", "after")] for key in ("liked", "disliked")
    }
    (liked, more), (disliked, less) = moved["liked"], moved["disliked"]
    return Sentence(
        f"{group}: log p of liked answers went from {liked:.1f} to {more:.1f}, of disliked ones from"
        f" {disliked:.1f} to {less:.1f}: margin {margin:.2f} nats (95 % from {low:.2f} to {high:.2f}); of a"
        f" liked and a disliked answer, the liked one was raised more in {rate:.0%}",
        f"{group.zh}：喜欢的回答的 log p 从 {liked:.1f} 变为 {more:.1f}，不喜欢的从 {disliked:.1f} 变为"
        f" {less:.1f}：差值 {margin:.2f} nats（95 % 区间 {low:.2f} 到 {high:.2f}）；"
        f"任取喜欢和不喜欢的回答各一个，{rate:.0%} 的情况下前者提高得更多",
    )


def _unlearned(trained: Sequence[Rated]) -> Iterator[Finding]:
    """Trained answers that moved the wrong way against the other kind's mean, worst first."""
    if not _both(trained):
        return
    other = {kind: mean([one.served for one in trained if one.liked is not kind]) for kind in (True, False)}
    behind = {one.where: (one.served - other[one.liked]) * (1 if one.liked else -1) for one in trained}
    for one in sorted(trained, key=lambda one: behind[one.where])[:LISTED]:
        if behind[one.where] <= 0:
            word = Sentence("liked", "喜欢") if one.liked else Sentence("disliked", "不喜欢")
            what = Sentence(
                f"this {word} answer was moved by {one.served:.2f} nats, the other kind by"
                f" {other[one.liked]:.2f} on average",
                f"这个{word.zh}的回答变化了 {one.served:.2f} nats，另一类平均变化 {other[one.liked]:.2f}",
            )
            yield {"what": what, "where": one.where}
