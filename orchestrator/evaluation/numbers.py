"""The numbers of an evaluation: predictions become means with 95 % intervals. Pure.

In a row of predictions.jsonl, `predict` and `label` hold no thinking; scores are computed without it and with
it. `nll` and `label_tokens` are there if the server scored the reference.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from orchestrator.evaluation.samples import Message, joined
from orchestrator.metrics import METRICS
from orchestrator.metrics.interval import bootstrap, resampled


class Loss(TypedDict, total=False):
    """The loss of a reference: the sum of −log p over its tokens, and their number; empty if not scored."""

    nll: float
    label_tokens: int


class PredictionRow(Loss):
    """A row of predictions.jsonl."""

    dataset: str
    row: int
    messages: list[Message]
    prompt: str
    predict: str
    label: str
    thinking: str
    label_thinking: str
    finish_reason: str
    tokens: int
    seconds: float
    error: str
    scores: NotRequired[dict[str, float]]
    scores_with_thinking: NotRequired[dict[str, float]]


class Mean(TypedDict):
    """A metric's mean over the samples, 0 to 100, with its interval."""

    mean: float
    low: float
    high: float


class Perplexity(TypedDict):
    """exp of the mean loss of a reference's token, with its interval."""

    value: float
    low: float
    high: float
    tokens: int


class Lengths(TypedDict):
    """Tokens per answer."""

    mean: float
    median: int
    p90: int
    longest: int


class Numbers(TypedDict):
    """eval.json."""

    system: str
    split: str
    samples: int
    answered: int
    metrics: dict[str, Mean]
    with_thinking: dict[str, Mean] | None
    perplexity: Perplexity | None
    perplexity_missing: str
    length: Lengths
    stops: dict[str, int]
    errors: dict[str, int]
    seconds: float


def scores_of(predict: str, label: str) -> dict[str, float]:
    """Every metric of one text against its reference, by name, 0 to 100."""
    return {name: round(metric.score(predict, label), 4) for name, metric in METRICS.items()}


def scored(row: PredictionRow) -> PredictionRow:
    """A prediction with its scores; also with thinking and answer together if either side has thinking.

    A missing answer scores 0 everywhere: leaving it out would make a failing server look good.
    """
    row = {**row, "scores": scores_of(row["predict"], row["label"])}
    if row["thinking"] or row["label_thinking"]:
        whole = (joined(row["thinking"], row["predict"]), joined(row["label_thinking"], row["label"]))
        row["scores_with_thinking"] = scores_of(*whole)
    return row


def numbers(rows: Sequence[PredictionRow], *, system: str, split: str, missing: str = "") -> Numbers:
    """The numbers of a system on a split.

    Args:
        rows: of scored().
        system: the model's name.
        split: the rows' name.
        missing: why the server did not score the references, "" if it did.
    """
    answered = [row for row in rows if not row["error"]]
    thinking = any("scores_with_thinking" in row for row in rows)
    perplexity = perplexity_of(rows)
    return {
        "system": system,
        "split": split,
        "samples": len(rows),
        "answered": len(answered),
        "metrics": means([row["scores"] for row in rows]),
        "with_thinking": means([row.get("scores_with_thinking", row["scores"]) for row in rows])
        if thinking
        else None,
        "perplexity": perplexity,
        "perplexity_missing": "" if perplexity else missing or "no reference was scored",
        "length": lengths([row["tokens"] for row in answered]),
        "stops": dict(Counter(row["finish_reason"] or "unknown" for row in answered).most_common()),
        "errors": dict(Counter(row["error"] for row in rows if row["error"]).most_common(5)),
        "seconds": round(sum(row["seconds"] for row in answered), 3),
    }


def means(scores: Sequence[Mapping[str, float]]) -> dict[str, Mean]:
    """The mean of each metric over the samples."""
    found: dict[str, Mean] = {}
    for name in METRICS:
        values = [each[name] for each in scores]
        low, high = bootstrap(values)
        mean = sum(values) / len(values) if values else 0.0
        found[name] = {"mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
    return found


def perplexity_of(rows: Sequence[PredictionRow]) -> Perplexity | None:
    """The perplexity of the references; None if none was scored."""
    pairs = [(row["nll"], row["label_tokens"]) for row in rows if row.get("label_tokens")]
    if not pairs:
        return None
    low, high = resampled(pairs, _perplexity)
    value, tokens = _perplexity(pairs), sum(count for _, count in pairs)
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4), "tokens": tokens}


def _perplexity(pairs: Sequence[tuple[float, int]]) -> float:
    mean = sum(nll for nll, _ in pairs) / sum(tokens for _, tokens in pairs)
    return math.exp(min(mean, 700.0))  # the largest that a float holds


def lengths(tokens: Sequence[int]) -> Lengths:
    """Statistics of a list of token counts; zeros if it is empty.

    >>> lengths([1, 2, 9])
    {'mean': 4.0, 'median': 2, 'p90': 9, 'longest': 9}
    """
    if not tokens:
        return {"mean": 0.0, "median": 0, "p90": 0, "longest": 0}
    ordered = sorted(tokens)
    p90 = ordered[min(len(ordered) - 1, math.ceil(0.9 * len(ordered)) - 1)]
    mean = round(sum(ordered) / len(ordered), 2)
    return {"mean": mean, "median": ordered[len(ordered) // 2], "p90": p90, "longest": ordered[-1]}
