"""The loss certificate: the server gives the answers the probabilities that the trainer gives them. Pure.

Four numbers, each the mean of −log p over the same labels: of the trainer (base and adapter, as training had
them), of the served weights (the server, on the training ids), of the served prompt (the server, behind the
prompt that it makes itself) and of the base. Served weights against trainer says whether the weights are
right, served prompt against served weights whether the prompt is, trainer against base whether training did
anything.

Means can agree by chance, so what is judged is the error in the logits that explains the difference
(scores.py): over all trained rows, over all held-out ones, and over each row alone.

LIMITS, and why. Logits carry the rounding of every layer: with unit roundoff u about u · |logit| · √n for n
roundings in a row; for dozens of layers and logits of some tens 10⁻⁵ to 10⁻³ in float32 (u = 2⁻²⁴), 10⁻² in
float16 (2⁻¹¹), 10⁻¹ in bfloat16 (2⁻⁸). Measured on the embedded base (135M, 30 layers), LLaMA-Factory 0.9.5
in float32 against vLLM 0.32 on a CPU, all rows and the worst one:

    served as                  trained rows     rows of made-up talk    trained: trainer, served, base
    float32, eager             0.00001 0.00003    0.00002 0.00002         0.0097 0.0097 4.9699
    bfloat16, eager            0.081   0.118      0.107   0.173           0.0097 0.0100 4.9699
    bfloat16, compiled         0.063   0.087      0.087   0.121           0.0097 0.0100 4.9699
    float32, the base itself   5.7     7.5        5.7     7.7             0.0097 4.9699 4.9699

The limits are some 3 times what bfloat16 was measured at, for deeper models; float16 is 8 times as precise. A
wrong model is off by whole units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.proofs.scores import Means, Row, apart, behind, means
from orchestrator.results import Proof

# dtype → the error in the logits, in nats: (over a group of rows, over one row); coarsest last.
LIMITS: dict[str, tuple[float, float]] = {
    "float32": (0.005, 0.02),
    "float16": (0.04, 0.08),
    "bfloat16": (0.3, 0.6),
}
# Trainer and base are the same process on the same ids: what differs by less is no training.
NOTHING = 1e-4
LISTED = 50
GROUPS = ("trained", "held_out")
_REASON = (
    "logits at most {mean:g} apart over the rows and {row:g} over one, which the rounding of {dtype} can do"
)


def prove(rows: Sequence[Row], dtypes: tuple[str, str], eligible: Mapping[str, int]) -> Proof:
    """The certificate.

    Args:
        rows: what was scored.
        dtypes: of the training's computation and of the server; the coarser one sets the limits.
        eligible: how many rows of each group there were to choose from.
    """
    dtype = max((name for name in dtypes if name in LIMITS), key=list(LIMITS).index, default="bfloat16")
    scored = [row for row in rows if not row.error]
    groups = {name: means([row for row in scored if row.group == name]) for name in GROUPS}
    seen = {name: found for name, found in groups.items() if found.labels}
    detail, hint = _culprit(seen, scored, rows, LIMITS[dtype])
    return Proof(
        name="loss",
        holds=not detail,
        covered=_covered(groups, scored, eligible, dtype),
        numbers=_numbers(seen),
        detail=detail or _held(seen),
        hint=hint,
        not_covered=_not_covered(rows, seen),
        findings=tuple(_findings(rows, LIMITS[dtype]))[:LISTED],
    )


def _culprit(
    seen: Mapping[str, Means], scored: Sequence[Row], rows: Sequence[Row], limits: tuple[float, float]
) -> tuple[str, str]:
    """(what is wrong, what fixes it); ("", "") when nothing is."""
    if not seen:
        refused = next((row for row in rows if row.error), None)
        why = f": {refused.where}: {refused.error}" if refused else ": no row is whole and short enough"
        return f"no row was scored{why}", "raise serve.max_model_len or data.cutoff_len"
    main = seen.get("trained") or seen["held_out"]
    if main.base_off <= NOTHING:
        what = (
            f"training changed nothing: trainer {main.trainer:.4f}, base {main.base:.4f} on the same rows;"
            " the adapter touched no module, or learned nothing"
        )
        return what, "look at the loss in logs/train.log, at train.lora_target and train.learning_rate"
    worst = max(scored, key=lambda row: means([row]).weights_off)
    if any(each.weights_off > limits[0] for each in seen.values()) or means([worst]).weights_off > limits[1]:
        return _weights(seen, worst, limits)
    worst = max(scored, key=lambda row: means([row]).prompt_off)
    if any(each.prompt_off > limits[0] for each in seen.values()) or means([worst]).prompt_off > limits[1]:
        return _prompt(seen, worst, limits)
    if not any(each.asked for each in seen.values()):
        error = next(answer.error for row in scored for answer in row.answers)
        return f"no prompt of the server's own was scored: {error}", "look into the server's log"
    return "", ""


def _weights(seen: Mapping[str, Means], worst: Row, limits: tuple[float, float]) -> tuple[str, str]:
    group, off = max(seen.items(), key=lambda each: each[1].weights_off)
    what = (
        f"the weights are wrong: on {_spoken(group)} rows the served weights lose {off.weights:.4f},"
        f" the trainer {off.trainer:.4f}, their logits {off.weights_off:.3g} apart where"
        f" {limits[0]:g} can be rounding (worst {worst.where})"
    )
    # What the server does of the training is read where training did most.
    main = seen.get("trained") or off
    if abs(main.share) <= 0.02:  # noqa: PLR2004 - a fiftieth: rounding, and nothing of the adapter
        like = (
            f"they are the base model's ({main.base:.4f}): the adapter is not merged, or the base is served"
        )
        return f"{what}; {like}", "export again with `conch sft RECIPE`, and see what the merge proof names"
    like = f"they are neither the trained model's nor the base's ({main.base:.4f})"
    hint = (
        "if the merge proof holds it is the server's numerics: serve on a CPU without compilation and"
        " in float32; if not, export again with `conch sft RECIPE`"
    )
    return f"{what}; {like}: a stale merge, another base, or the server's numerics", hint


def _prompt(seen: Mapping[str, Means], worst: Row, limits: tuple[float, float]) -> tuple[str, str]:
    group, off = max(seen.items(), key=lambda each: each[1].prompt_off)
    what = (
        f"the prompt is wrong: on {_spoken(group)} rows the same weights lose {off.weights:.4f} behind the"
        f" training prompt and {off.prompt:.4f} behind the served one, their logits {off.prompt_off:.3g}"
        f" apart where {limits[0]:g} can be rounding (worst {worst.where})"
    )
    return what, "serve with the chat template that Conch wrote; the parity proof names the first token"


def _spoken(group: str) -> str:
    return group.replace("_", "-")


def _held(seen: Mapping[str, Means]) -> str:
    told = [
        f"{_spoken(name)} rows: trainer {each.trainer:.4f}, served weights {each.weights:.4f},"
        f" served prompt {each.prompt:.4f}, base {each.base:.4f}"
        for name, each in seen.items()
    ]
    held = seen.get("held_out")
    if held and held.trainer > held.base:
        told.append("on held-out rows the trained model is worse than the base")
    return "; ".join(told)


def _covered(
    groups: Mapping[str, Means], scored: Sequence[Row], eligible: Mapping[str, int], dtype: str
) -> str:
    parts = []
    for name, each in groups.items():
        number = sum(row.group == name for row in scored)
        parts.append(f"{number} of {eligible.get(name, number)} {_spoken(name)} rows ({each.labels} labels)")
    mean, row = LIMITS[dtype]
    return f"{', '.join(parts)}; {_REASON.format(mean=mean, row=row, dtype=dtype)}"


def _not_covered(rows: Sequence[Row], seen: Mapping[str, Means]) -> str:
    parts = ["rows that were cut, hold tools or media, or are longer than the server takes"]
    if "held_out" not in seen:
        parts.insert(
            0, "held-out rows: there are none (data.validation_share, or paraphrases of the data set)"
        )
    refused = sum(bool(row.error) for row in rows)
    if refused:
        parts.append(f"{refused} rows that the server refused")
    silent = sum(bool(answer.error) for row in rows for answer in row.answers)
    if silent:
        parts.append(f"{silent} answers whose prompt the server refused")
    other = [
        row
        for row in rows
        if row.answers and abs(row.loss - means([row]).trainer) > max(1e-3, 0.02 * row.loss)
    ]
    if other:
        parts.append("the trainer's own loss function, which is not −log p; its probabilities are compared")
    return "; ".join(parts)


def _numbers(seen: Mapping[str, Means]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, each in seen.items():
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


def _findings(rows: Sequence[Row], limits: tuple[float, float]) -> Iterator[dict[str, Any]]:
    """The rows that are beyond the limit, worst first, each with its first label that is."""
    beyond = [(max(each.weights_off, each.prompt_off), row) for row in rows for each in [means([row])]]
    for off, row in sorted(beyond, key=lambda pair: -pair[0]):
        if row.error:
            yield {"what": row.error, "where": row.where}
        elif off > limits[1]:
            yield {"what": f"the logits are {off:.3g} apart{_first(row, limits[1])}", "where": row.where}


def _first(row: Row, limit: float) -> str:
    """The first label that is told another probability than the trainer's, or behind the served prompt."""
    for answer in row.answers:
        mine = zip(answer.trainer, answer.weights, strict=True)
        for pairs, before, names in (
            (mine, 0, "by the trainer {:.3f}, by the server {:.3f}"),
            (behind(answer), answer.prefilled, "behind the training prompt {:.3f}, the served one {:.3f}"),
        ):
            for place, pair in enumerate(pairs, before):
                if apart([pair]) > limit:
                    where = f"label {place} of answer {answer.turn + 1}, {answer.tokens[place]!r}"
                    return f", first at {where}: log p {names.format(*pair)}"
    return ""
