"""loss: the server gives the trained answers the probabilities that the trainer gives them.

Four numbers, each the mean of −log p over the same labels: of the trainer (base and adapter, as in training),
of the served weights (the server, on the training ids), of the served prompt (the server, after the prompt
that it makes itself) and of the base. Served weights against trainer shows whether the weights are right,
served prompt against served weights whether the prompt is, trainer against base whether training did
anything.

Means can agree by chance, so the proof judges the error in the logits that explains the difference
(scores.py): over all trained rows, over all held-out ones, and over each row.

The limits: logits carry the rounding of every layer: with unit roundoff u about u · |logit| · √n for n
roundings in a row; for dozens of layers and logits of some tens 10⁻⁵ to 10⁻³ in float32 (u = 2⁻²⁴), 10⁻² in
float16 (2⁻¹¹), 10⁻¹ in bfloat16 (2⁻⁸). Measured on the embedded base (135M, 30 layers), LLaMA-Factory 0.9.5
in float32 against vLLM 0.32 on a CPU, all rows and the worst one:

    served as                  trained rows     rows of generated talk  trained: trainer, served, base
    float32, eager             0.00001 0.00003    0.00002 0.00002         0.0097 0.0097 4.9699
    bfloat16, eager            0.081   0.118      0.107   0.173           0.0097 0.0100 4.9699
    bfloat16, compiled         0.063   0.087      0.087   0.121           0.0097 0.0100 4.9699
    float32, the base itself   5.7     7.5        5.7     7.7             0.0097 4.9699 4.9699

The limits are about 3 times the bfloat16 measurement, for deeper models; float16 is 8 times as precise. A
wrong model is off by whole units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.proofs.findings import LISTED, Finding
from orchestrator.proofs.quantized import Quantized, distance, lost
from orchestrator.proofs.quantized import numbers as of_quantized
from orchestrator.proofs.scores import GROUPS, Means, Row, apart, behind, means
from orchestrator.results import Proof, Sentence, joined

# dtype → the error in the logits, in nats: (over a group of rows, over one row); coarsest last.
LIMITS: dict[str, tuple[float, float]] = {
    "float32": (0.005, 0.02),
    "float16": (0.04, 0.08),
    "bfloat16": (0.3, 0.6),
}
# Trainer and base are the same process on the same ids: a smaller difference is no training.
NOTHING = 1e-4
# A share of the training below a fiftieth is rounding: the served weights have nothing of the adapter.
NO_SHARE = 0.02
Cause = tuple[Sentence, Sentence]


def prove(
    rows: Sequence[Row],
    dtypes: tuple[str, str],
    eligible: Mapping[str, int],
    *,
    pairs: bool = False,
    quantized: Quantized | None = None,
) -> Proof:
    """The proof over the scored rows.

    The coarser dtype of trainer and server sets the limits; `eligible`: rows of each group to choose from;
    `pairs`: the rows are the two answers of pairs, which are counted once. `quantized`: what QLoRA trained.
    """
    dtype = max((name for name in dtypes if name in LIMITS), key=list(LIMITS).index, default="bfloat16")
    scored = [row for row in rows if not row.error]
    groups = {name: means([row for row in scored if row.group == name]) for name in GROUPS}
    measured = {name: found for name, found in groups.items() if found.labels}
    cause = _cause(measured, scored, rows, LIMITS[dtype])
    held, trained = _held(measured, rated=any(row.liked is not None for row in scored)), {}
    if quantized and measured:
        cause = cause or lost(quantized, measured)
        held, trained = joined([held, distance(quantized, measured)]), of_quantized(quantized, measured)
    return Proof(
        name="loss",
        holds=cause is None,
        covered=_covered(groups, scored, eligible, dtype, pairs=pairs),
        numbers={**_numbers(measured), **trained},
        detail=cause[0] if cause else held,
        hint=cause[1] if cause else "",
        not_covered=_not_covered(rows, measured),
        findings=tuple(_findings(rows, LIMITS[dtype]))[:LISTED],
    )


def _cause(
    measured: Mapping[str, Means], scored: Sequence[Row], rows: Sequence[Row], limits: tuple[float, float]
) -> Cause | None:
    """(what is wrong, what fixes it); None if nothing is."""
    if not measured:
        refused = next((row for row in rows if row.error), None)
        short = Sentence("no row is complete and short enough", "没有完整且足够短的数据行")
        why = Sentence(f"{refused.where}: {refused.error}") if refused else short
        none = Sentence("no row was scored", "没有对任何数据行计算概率")
        raise_it = Sentence(
            "raise serve.max_model_len or data.cutoff_len", "调大 serve.max_model_len 或 data.cutoff_len"
        )
        return joined([none, why], ": ", "："), raise_it
    main = measured.get("trained") or measured["held_out"]
    if main.base_off <= NOTHING:
        return _no_training(main)
    worst = max(scored, key=lambda row: means([row]).weights_off)
    if (
        any(each.weights_off > limits[0] for each in measured.values())
        or means([worst]).weights_off > limits[1]
    ):
        return _weights(measured, worst, limits)
    worst = max(scored, key=lambda row: means([row]).prompt_off)
    if (
        any(each.prompt_off > limits[0] for each in measured.values())
        or means([worst]).prompt_off > limits[1]
    ):
        return _prompt(measured, worst, limits)
    if not any(each.prompted for each in measured.values()):
        error = next(answer.error for row in scored for answer in row.answers)
        what = Sentence(
            f"no prompt of the server itself was scored: {error}",
            f"没有对服务端自己的提示词计算概率：{error}",
        )
        return what, Sentence("see the server's log", "查看服务端日志")
    return None


def _no_training(main: Means) -> Cause:
    what = Sentence(
        f"training changed nothing: trainer {main.trainer:.4f}, base {main.base:.4f} on the same rows; the"
        " adapter affects no module, or learned nothing",
        f"训练没有带来任何变化：同样的数据行上训练器 {main.trainer:.4f}，基座 {main.base:.4f}；"
        "适配器没有作用于任何模块，或没有学到东西",
    )
    hint = Sentence(
        "check the loss in logs/train.log, train.lora_target and train.learning_rate",
        "检查 logs/train.log 中的损失，以及 train.lora_target 和 train.learning_rate",
    )
    return what, hint


def _weights(measured: Mapping[str, Means], worst: Row, limits: tuple[float, float]) -> Cause:
    group, off = max(measured.items(), key=lambda each: each[1].weights_off)
    name = GROUPS[group]
    what = Sentence(
        f"the weights are wrong: on {name} rows the loss of the served weights is {off.weights:.4f}, of the"
        f" trainer {off.trainer:.4f}, and their logits are {off.weights_off:.3g} apart, where rounding"
        f" explains {limits[0]:g} (worst {worst.where})",
        f"权重不对：在{name.zh}数据上，服务端权重的损失为 {off.weights:.4f}，训练器为 {off.trainer:.4f}，"
        f"logits 相差 {off.weights_off:.3g}，而舍入误差最多 {limits[0]:g}（最差 {worst.where}）",
    )
    # The share of training that the server has is measured where training did most.
    main = measured.get("trained") or off
    if abs(main.share) <= NO_SHARE:
        like = Sentence(
            f"they are the base model's ({main.base:.4f}): the adapter is not merged, or the base is served",
            f"它们就是基座模型的权重（{main.base:.4f}）：适配器没有合并，或部署的是基座模型",
        )
        hint = Sentence(
            "export again with `conch sft RECIPE`, and see what the merge proof names",
            "用 `conch sft RECIPE` 重新导出，并查看 merge 证明指出的问题",
        )
        return joined([what, like]), hint
    like = Sentence(
        f"they are neither the trained model's nor the base's ({main.base:.4f}): a stale merge, another base,"
        " or the server's numerics",
        f"它们既不是训练后的权重，也不是基座的（{main.base:.4f}）：合并已过时、基座不同，或服务端数值精度的问题",
    )
    hint = Sentence(
        "if the merge proof holds, the cause is the server's numerics: serve on a CPU without compilation"
        " and in float32; otherwise export again with `conch sft RECIPE`",
        "如果 merge 证明成立，就是服务端数值精度的问题：在 CPU 上部署时关闭编译并使用 float32；"
        "否则用 `conch sft RECIPE` 重新导出",
    )
    return joined([what, like]), hint


def _prompt(measured: Mapping[str, Means], worst: Row, limits: tuple[float, float]) -> Cause:
    group, off = max(measured.items(), key=lambda each: each[1].prompt_off)
    name = GROUPS[group]
    what = Sentence(
        f"the prompt is wrong: on {name} rows the loss of the same weights is {off.weights:.4f} after the"
        f" training prompt and {off.prompt:.4f} after the served one, and their logits are"
        f" {off.prompt_off:.3g} apart, where rounding explains {limits[0]:g} (worst {worst.where})",
        f"提示词不对：在{name.zh}数据上，同样的权重在训练提示词之后的损失为 {off.weights:.4f}，"
        f"在服务端提示词之后为 {off.prompt:.4f}，logits 相差 {off.prompt_off:.3g}，而舍入误差最多"
        f" {limits[0]:g}（最差 {worst.where}）",
    )
    hint = Sentence(
        "serve with the chat template that Conch wrote; the parity proof names the first token that differs",
        "部署时使用 Conch 写出的对话模板；parity 证明会指出第一个不同的 token",
    )
    return what, hint


def _held(measured: Mapping[str, Means], *, rated: bool) -> Sentence:
    parts = [
        Sentence(
            f"{GROUPS[name]} rows: trainer {each.trainer:.4f}, served weights {each.weights:.4f},"
            f" served prompt {each.prompt:.4f}, base {each.base:.4f}",
            f"{GROUPS[name].zh}数据：训练器 {each.trainer:.4f}，服务端权重 {each.weights:.4f}，"
            f"服务端提示词 {each.prompt:.4f}，基座 {each.base:.4f}",
        )
        for name, each in measured.items()
    ]
    held = measured.get("held_out")
    # A model that learns what is disliked gives it less, not more, probability.
    if held and held.trainer > held.base and not rated:
        parts.append(
            Sentence(
                "on held-out rows the trained model is worse than the base",
                "在留出数据上，训练后的模型不如基座模型",
            )
        )
    return joined(parts)


def _covered(
    groups: Mapping[str, Means],
    scored: Sequence[Row],
    eligible: Mapping[str, int],
    dtype: str,
    *,
    pairs: bool,
) -> Sentence:
    parts = []
    word, unit = ("pairs", "对") if pairs else ("rows", "行")
    for name, each in groups.items():
        number = sum(row.group == name and not (pairs and row.liked is False) for row in scored)
        total = eligible.get(name, number)
        parts.append(
            Sentence(
                f"{number} of {total} {GROUPS[name]} {word} ({each.labels} labels)",
                f"{GROUPS[name].zh}数据 {total} {unit}中的 {number} {unit}（{each.labels} 个标签）",
            )
        )
    mean, row = LIMITS[dtype]
    limit = Sentence(
        f"logits at most {mean:g} apart over the rows and {row:g} over one row, within the rounding of"
        f" {dtype}",
        f"logits 总体相差不超过 {mean:g}、单行不超过 {row:g}，在 {dtype} 的舍入误差之内",
    )
    return joined([joined(parts, ", ", "，"), limit])


def _not_covered(rows: Sequence[Row], measured: Mapping[str, Means]) -> Sentence:
    parts = [
        Sentence(
            "rows that were cut, contain tools or media, or are longer than the server accepts",
            "被截断、含工具或多媒体、或超过服务端长度上限的数据行",
        )
    ]
    if "held_out" not in measured:
        none = Sentence(
            "held-out rows: there are none (data.validation_share, or paraphrases of the dataset)",
            "留出数据：没有（可设置 data.validation_share，或为数据集提供改写的问题）",
        )
        parts.insert(0, none)
    if refused := sum(bool(row.error) for row in rows):
        parts.append(Sentence(f"{refused} rows that the server rejected", f"被服务端拒绝的 {refused} 行数据"))
    if silent := sum(bool(answer.error) for row in rows for answer in row.answers):
        parts.append(
            Sentence(
                f"{silent} answers whose prompt the server rejected", f"提示词被服务端拒绝的 {silent} 个回答"
            )
        )
    if any(row.answers and abs(row.loss - means([row]).trainer) > max(1e-3, 0.02 * row.loss) for row in rows):
        parts.append(
            Sentence(
                "the trainer's own loss function, which is not −log p; its probabilities are compared",
                "训练器自己的损失函数，它不是 −log p；这里比较的是概率",
            )
        )
    return joined(parts)


def _numbers(measured: Mapping[str, Means]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, each in measured.items():
        numbers |= {
            f"{name}_labels": float(each.labels),
            f"{name}_trainer": each.trainer,
            f"{name}_served_weights": each.weights,
            f"{name}_served_prompt": each.prompt,
            f"{name}_base": each.base,
            f"{name}_weights_off": each.weights_off,
            f"{name}_prompt_off": each.prompt_off,
        }
    return {name: round(value, 6) for name, value in numbers.items()}


def _findings(rows: Sequence[Row], limits: tuple[float, float]) -> Iterator[Finding]:
    """The rows beyond the limit, worst first, each with its first label that is beyond it."""
    beyond = [(max(each.weights_off, each.prompt_off), row) for row in rows for each in [means([row])]]
    for off, row in sorted(beyond, key=lambda pair: -pair[0]):
        if row.error:
            yield {"what": row.error, "where": row.where}
        elif off > limits[1]:
            apart_ = Sentence(f"the logits are {off:.3g} apart", f"logits 相差 {off:.3g}")
            yield {"what": joined([apart_, _first(row, limits[1])], ", ", "，"), "where": row.where}


def _first(row: Row, limit: float) -> Sentence:
    """The first label whose probability differs from the trainer's, or after the served prompt."""
    weights = Sentence("by the trainer {:.3f}, by the server {:.3f}", "训练器 {:.3f}，服务端 {:.3f}")
    prompt = Sentence(
        "after the training prompt {:.3f}, after the served one {:.3f}",
        "训练提示词之后 {:.3f}，服务端提示词之后 {:.3f}",
    )
    for answer in row.answers:
        mine = zip(answer.trainer, answer.weights, strict=True)
        for pairs, before, names in ((mine, 0, weights), (behind(answer), answer.prefilled, prompt)):
            for at, pair in enumerate(pairs, before):
                if apart([pair]) > limit:
                    token, turn = repr(answer.tokens[at]), answer.turn + 1
                    return Sentence(
                        f"first at label {at} of answer {turn}, {token}: log p {names.format(*pair)}",
                        f"首先出现在第 {turn} 个回答的标签 {at}，{token}：log p {names.zh.format(*pair)}",
                    )
    return Sentence()
