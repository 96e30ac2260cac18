"""perplexity: training made held-out documents more likely, for the trainer and as served.

The perplexity is exp of the mean of −log p over all tokens of the documents, each from its first token on and
no longer than a block of training. It is measured with the base, with the trainer and with the served model;
the proof `loss` shows that the last two agree token by token. The interval of the fall is that of its mean
over resampled documents: tokens of one document are alike, so documents are counted, not tokens.

It holds if the perplexity of the served model is below that of the base on held-out documents, or on trained
ones where none are held out. Whether the interval excludes 0 is said, and is the recipe's own decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from orchestrator.metrics.interval import resampled
from orchestrator.proofs.findings import LISTED, Finding
from orchestrator.proofs.scores import GROUPS, Means, Row, means
from orchestrator.results import Proof, Sentence, joined

# exp of more is no number that helps.
MOST = 50.0


def prove(rows: Sequence[Row], *, marked: bool = False) -> Proof:
    """The proof over the scored documents; `marked`: the server puts a mark before a text by default."""
    scored = [row for row in rows if not row.error]
    groups = {name: [row for row in scored if row.group == name] for name in GROUPS}
    measured = {name: means(found) for name, found in groups.items() if found}
    numbers = {name: dict(_numbers(name, found)) for name, found in groups.items() if found}
    main = "held_out" if groups["held_out"] else "trained"
    cause = _cause(main, measured)
    return Proof(
        name="perplexity",
        holds=cause is None,
        covered=joined(
            [
                Sentence(
                    f"{len(found)} {GROUPS[name]} documents ({measured[name].labels} tokens)",
                    f"{len(found)} 篇{GROUPS[name].zh}文档（{measured[name].labels} 个 token）",
                )
                for name, found in groups.items()
                if found
            ],
            ", ",
            "，",
        ),
        numbers={key: value for found in numbers.values() for key, value in found.items()},
        detail=cause or joined([_said(name, found) for name, found in numbers.items()]),
        hint=_HINT if cause else "",
        not_covered=joined(["" if groups["held_out"] else _NONE_HELD_OUT, _MARKED if marked else ""]),
        findings=tuple(_findings(groups[main])),
    )


_HINT = Sentence(
    "check that the held-out documents are of the same kind as the trained ones; then train.learning_rate and"
    " train.epochs",
    "请检查留出的文档与训练的文档是否属于同一类，再检查 train.learning_rate 和训练轮数",
)
_NONE_HELD_OUT = Sentence(
    "held-out documents: there are none (data.validation_share, data.split or data.validation)",
    "留出的文档：没有（可设置 data.validation_share、data.split 或 data.validation）",
)


# LLaMA-Factory 0.9.5 asks the tokenizer for add_bos_token, which those of transformers 5 do not have.
_MARKED = Sentence(
    "texts of clients that let the server put its begin mark before them, as it does by default: documents"
    " were trained without one (send add_special_tokens: false to /v1/completions)",
    "默认会由服务端在开头加上起始标记的文本：训练时文档没有这个标记"
    "（请求 /v1/completions 时请设 add_special_tokens: false）",
)


def perplexity(loss: float) -> float:
    """Of a mean of −log p."""
    return math.exp(min(loss, MOST))


def _moved(row: Row) -> tuple[float, int]:
    """(how much lower log p of a document is as served than by the base, its tokens)."""
    fall = sum(sum(answer.base) - sum(answer.weights) for answer in row.answers)
    return fall, sum(len(answer.base) for answer in row.answers)


def _change(moved: Sequence[tuple[float, int]]) -> float:
    """How much higher the served model's loss is than the base's, in nats per token."""
    return sum(fall for fall, _ in moved) / max(1, sum(tokens for _, tokens in moved))


def _cause(main: str, measured: Mapping[str, Means]) -> Sentence | None:
    if main not in measured:
        return Sentence("no document was scored", "没有对任何文档计算概率")
    found, name = measured[main], GROUPS[main]
    if max(found.weights, found.trainer) < found.base:
        return None
    base, trainer, served = (perplexity(loss) for loss in (found.base, found.trainer, found.weights))
    return Sentence(
        f"training made {name} documents no more likely: their perplexity was {base:.2f} before, and is"
        f" {trainer:.2f} by the trainer and {served:.2f} as served",
        f"训练没有让{name.zh}文档更可能出现：困惑度训练前为 {base:.2f}，训练后训练器为 {trainer:.2f}，"
        f"服务端为 {served:.2f}",
    )


def _numbers(name: str, rows: Sequence[Row]) -> Iterator[tuple[str, float]]:
    found = means(rows)
    low, high = resampled([_moved(row) for row in rows], _change)
    yield f"{name}_documents", len(rows)
    yield f"{name}_tokens", found.labels
    losses = {"base": found.base, "trainer": found.trainer, "served": found.weights}
    yield from ((f"{name}_perplexity_{key}", round(perplexity(loss), 4)) for key, loss in losses.items())
    change = {"change": found.weights - found.base, "change_low": low, "change_high": high}
    yield from ((f"{name}_{key}", round(value, 4)) for key, value in change.items())


def _said(name: str, numbers: Mapping[str, float]) -> Sentence:
    group = GROUPS[name]
    base, trainer, served = (numbers[f"{name}_perplexity_{key}"] for key in ("base", "trainer", "served"))
    change, low, high = (numbers[f"{name}_{key}"] for key in ("change", "change_low", "change_high"))
    said = Sentence(
        f"{group} documents: perplexity {base:.2f} before, {trainer:.2f} by the trainer, {served:.2f} as"
        f" served ({change:+.3f} nats a token, 95 % from {low:+.3f} to {high:+.3f})",
        f"{group.zh}文档：困惑度训练前 {base:.2f}，训练器 {trainer:.2f}，服务端 {served:.2f}"
        f"（每个 token {change:+.3f} nats，95 % 区间 {low:+.3f} 到 {high:+.3f}）",
    )
    if high < 0:
        return said
    few = Sentence("too few documents to be sure that it fell", "文档太少，不能确定困惑度下降了")
    return joined([said, few])


def _findings(rows: Sequence[Row]) -> Iterator[Finding]:
    """The documents that became less likely, worst first."""
    changes = [(_change([_moved(row)]), row) for row in rows]
    for change, row in sorted(changes, key=lambda one: -one[0])[:LISTED]:
        if change > 0:
            what = Sentence(
                f"less likely by {change:.3f} nats a token", f"每个 token 的概率下降 {change:.3f} nats"
            )
            yield {"what": what, "where": row.where}
