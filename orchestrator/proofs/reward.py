"""reward: the served reward model gives the scores of the trainer; and whether those scores mean anything.

Each answer of a pair is scored four times: by the trainer (LLaMA-Factory's value head on the adapter), by the
export (transformers, the converted head), by the server on the ids of training, and by the server on the
messages that a client sends. The proof `reward` holds if all agree: export against trainer shows whether head
and weights are right, server against export whether it serves them as they are (no sigmoid, with the bias),
messages against ids whether a client's conversation becomes the text that was trained.

Equal scores can be worthless ones. The proof `reward:accuracy` counts held-out pairs whose better answer got
the higher score, and holds if the 95 % interval (Wilson) of that rate lies above one half.

A score is one output of a linear layer, so the rounding of the layers below reaches it as it reaches a logit:
the limits are those of the proof `loss`, for scores of the size of 1, in proportion for larger ones.
Measured on the embedded base (scores from 0.2 to 2.0): float32 against vLLM 0.32 on a CPU 0.000009, bfloat16
0.088. vLLM reads score.bias for Llama, Qwen2 and Qwen3 (each compared with transformers).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.metrics.interval import wilson
from orchestrator.proofs.findings import LISTED, Finding
from orchestrator.proofs.loss import LIMITS
from orchestrator.proofs.scores import GROUPS, mean
from orchestrator.results import Proof, Sentence, joined

CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class Scored:
    """One answer's scores; `difference` is where the server's ids of the messages leave those of training."""

    trainer: float
    export: float
    ids: float
    messages: float
    difference: str = ""


@dataclass(frozen=True, slots=True)
class Pair:
    """A pair's answers; `error` says why the server did not score it."""

    where: str
    held_out: bool
    better: Scored | None = None
    worse: Scored | None = None
    error: str = ""


Cause = tuple[Sentence, Sentence]
Side = tuple[str, str]

# What is compared, in the order in which a fault goes through: (reference, found).
STEPS: tuple[Side, ...] = (("trainer", "export"), ("export", "ids"), ("ids", "messages"))
_AGAIN = Sentence("conch run RECIPE exports again", "conch run RECIPE 会重新导出")
_SERVE = Sentence(
    "serve this run's own export: conch serve RECIPE", "请部署本次运行自己的导出：conch serve RECIPE"
)
_TEMPLATE = Sentence(
    "serve the chat template of this run; with thoughts in the data, set template.history: keep",
    "请使用本次运行的对话模板；若数据含思考内容，请设置 template.history: keep",
)
_WORDS: dict[Side, tuple[Sentence, Sentence]] = {
    STEPS[0]: (Sentence("the export scores otherwise than the trainer", "导出的打分与训练器不同"), _AGAIN),
    STEPS[1]: (Sentence("the server scores otherwise than the export", "服务端的打分与导出不同"), _SERVE),
    STEPS[2]: (
        Sentence("the server reads a client's messages as another text", "服务端把对话消息读成了另一段文本"),
        _TEMPLATE,
    ),
}


def prove(pairs: Sequence[Pair], dtypes: tuple[str, str], eligible: Mapping[str, int]) -> Proof:
    """The proof of equal scores; the coarser dtype of trainer and server sets the limit.

    `eligible`: pairs of each group to choose from.
    """
    dtype = max((name for name in dtypes if name in LIMITS), key=list(LIMITS).index, default="bfloat16")
    answers = [(pair, one) for pair in pairs if not pair.error for one in (pair.better, pair.worse) if one]
    limit = LIMITS[dtype][0] * max([1.0, *(abs(one.trainer) for _, one in answers)])
    cause = _cause(pairs, [one for _, one in answers], limit)
    counts = {
        name: len({pair.where for pair, _ in answers if pair.held_out == (name == "held_out")})
        for name in GROUPS
    }
    covered = [
        Sentence(
            f"{count} of {eligible.get(name, count)} {GROUPS[name]} pairs",
            f"{eligible.get(name, count)} 对{GROUPS[name].zh}数据中的 {count} 对",
        )
        for name, count in counts.items()
        if count
    ]
    return Proof(
        name="reward",
        holds=cause is None,
        covered=joined([*covered, Sentence(f"in {dtype}", dtype)], ", ", "，"),
        numbers={f"{name}_pairs": float(count) for name, count in counts.items()}
        | {
            f"{found}_off": round(_off([one for _, one in answers], side), 6)
            for side in STEPS
            for found in side[1:]
        }
        | {"limit": round(limit, 6)},
        detail=cause[0] if cause else _held([one for _, one in answers]),
        hint=cause[1] if cause else "",
        not_covered=_not_covered(pairs),
        findings=tuple(_findings(answers, limit))[:LISTED],
    )


def _cause(pairs: Sequence[Pair], answers: Sequence[Scored], limit: float) -> Cause | None:
    if not answers:
        refused = next((pair for pair in pairs if pair.error), None)
        short = Sentence("no pair is complete and short enough", "没有完整且足够短的偏好对")
        why = Sentence(f"{refused.where}: {refused.error}") if refused else short
        what = joined([Sentence("no pair was scored", "没有对任何偏好对打分"), why], ": ", "：")
        return what, Sentence(
            "raise serve.max_model_len or data.cutoff_len", "调大 serve.max_model_len 或 data.cutoff_len"
        )
    for side in STEPS:
        if (off := _off(answers, side)) > limit:
            what, hint = _WORDS[side]
            by = Sentence(f"by up to {off:.3g}", f"最多相差 {off:.3g}")
            return joined([what, by, _looks(answers, side, limit)], ", ", "，"), hint
    return None


def _off(answers: Sequence[Scored], side: Side) -> float:
    """The largest difference between two ways of scoring."""
    return max((abs(found - reference) for reference, found in _both(answers, side)), default=0.0)


def _both(answers: Sequence[Scored], side: Side) -> list[tuple[float, float]]:
    return [(getattr(one, side[0]), getattr(one, side[1])) for one in answers]


def _looks(answers: Sequence[Scored], side: Side, limit: float) -> Sentence:
    """What the differences look like."""
    first = next((one.difference for one in answers if one.difference), "")
    if first and side == STEPS[2]:
        return Sentence(first)
    both = _both(answers, side)
    shift = mean([found - reference for reference, found in both])
    if all(abs(found - _sigmoid(reference)) <= limit for reference, found in both):
        return Sentence(
            "each squashed by a sigmoid: problem_type regression is not in its config.json",
            "分数都被 sigmoid 压缩：config.json 中没有 problem_type regression",
        )
    if all(abs(found + reference) <= limit for reference, found in both):
        return Sentence(
            "each with the other sign: better and worse are swapped", "符号全部相反：好坏回答颠倒了"
        )
    if all(abs(found - reference - shift) <= limit for reference, found in both):
        return Sentence(
            f"all by the same {shift:.3g}: score.bias is missing or another",
            f"全部相差 {shift:.3g}：score.bias 缺失或不对",
        )
    related = correlation(both)
    return Sentence(
        f"correlation {related:.2f}: the head or the weights are of another training",
        f"相关系数 {related:.2f}：打分头或权重来自另一次训练",
    )


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > 0 else math.exp(value) / (1 + math.exp(value))


def correlation(both: Sequence[tuple[float, float]]) -> float:
    """Pearson's correlation; 0 where one side does not vary.

    >>> round(correlation([(0, 1), (1, 3), (2, 5)]), 6)
    1.0
    """
    left, right = mean([one for one, _ in both]), mean([other for _, other in both])
    spread = math.sqrt(
        sum((one - left) ** 2 for one, _ in both) * sum((other - right) ** 2 for _, other in both)
    )
    return sum((one - left) * (other - right) for one, other in both) / spread if spread else 0.0


def _held(answers: Sequence[Scored]) -> Sentence:
    off = max(_off(answers, side) for side in STEPS)
    low, high = min(one.ids for one in answers), max(one.ids for one in answers)
    return Sentence(
        f"trainer, export and server agree within {off:.2g}; scores from {low:.2f} to {high:.2f}",
        f"训练器、导出与服务端的打分相差不超过 {off:.2g}；分数范围 {low:.2f} 到 {high:.2f}",
    )


def _not_covered(pairs: Sequence[Pair]) -> Sentence | str:
    refused = sum(bool(pair.error) for pair in pairs)
    return (
        Sentence(f"{refused} pairs that the server did not score", f"服务端未打分的 {refused} 对")
        if refused
        else ""
    )


def _findings(answers: Sequence[tuple[Pair, Scored]], limit: float) -> Iterator[Finding]:
    """The answers whose scores differ, each with the first step at which they do."""
    for pair, one in answers:
        for reference, found in STEPS:
            mine, theirs = getattr(one, reference), getattr(one, found)
            if abs(mine - theirs) > limit:
                what = Sentence(
                    f"{reference} {mine:.4f}, {found} {theirs:.4f}",
                    f"{reference} {mine:.4f}，{found} {theirs:.4f}",
                )
                yield {"what": what, "where": pair.where}
                break


Preference = tuple[str, float, float]
"""Where a pair is, and the scores of its better and its worse answer."""


def preferences(pairs: Sequence[Pair]) -> list[Preference]:
    """The served scores of the held-out pairs."""
    return [
        (pair.where, pair.better.ids, pair.worse.ids)
        for pair in pairs
        if pair.held_out and pair.better and pair.worse
    ]


def accuracy(held_out: Sequence[Preference]) -> Proof:
    """The proof that the served scores prefer the better answers of held-out pairs; a tie counts as wrong."""
    good = sum(better > worse for _, better, worse in held_out)
    low, high = wilson(good, len(held_out))
    rate = good / len(held_out) if held_out else 0.0
    said = Sentence(
        f"the better answer has the higher score in {good} of {len(held_out)} held-out pairs"
        f" (95 % from {low:.0%} to {high:.0%})",
        f"{len(held_out)} 对留出数据中有 {good} 对更好的回答得分更高（95 % 区间 {low:.0%} 到 {high:.0%}）",
    )
    holds = low > CHANCE
    return Proof(
        name="reward:accuracy",
        holds=holds,
        covered=Sentence(f"{len(held_out)} held-out pairs", f"{len(held_out)} 对留出数据"),
        numbers={
            "held_out_pairs": float(len(held_out)),
            "held_out_accuracy": round(rate, 4),
            "held_out_accuracy_low": round(low, 4),
            "held_out_accuracy_high": round(high, 4),
        },
        detail=said if holds else joined([said, _why(high, len(held_out))], ": ", "："),
        hint="" if holds else _hint(high),
        findings=tuple(_wrong(held_out))[:LISTED],
    )


def _why(high: float, count: int) -> Sentence:
    if high < CHANCE:
        return Sentence("worse than chance", "比随机还差")
    few = wilson(count, count)[0] <= CHANCE
    if few:
        return Sentence("too few to tell it from chance", "数量太少，无法与随机区分")
    return Sentence("not above chance", "不高于随机水平")


def _hint(high: float) -> Sentence:
    if high < CHANCE:
        return Sentence(
            "check that chosen is the better answer, in the data and in the held-out pairs",
            "请检查训练数据和留出数据中 chosen 是否为更好的回答",
        )
    return Sentence(
        "hold out more pairs (data.validation_share), or train longer: train.epochs, train.learning_rate",
        "增加留出的偏好对（data.validation_share），或训练更久：train.epochs、train.learning_rate",
    )


def _wrong(held_out: Sequence[Preference]) -> Iterator[Finding]:
    for where, better, worse in held_out:
        if better <= worse:
            what = Sentence(
                f"the better answer has {better:.3f}, the worse {worse:.3f}",
                f"更好的回答得 {better:.3f}，较差的得 {worse:.3f}",
            )
            yield {"what": what, "where": where}
