"""Numbers: predictions as means with intervals, thinking left out and counted in. Pure.

A prediction is a JSON-able row of predictions.jsonl: `predict` and `label` without thinking, `thinking` and
`label_thinking` apart, `tokens`, `finish_reason`, `error`, `seconds`, `nll` and `label_tokens` where the
server scored the reference. Every interval is of 95 %, by drawing the samples anew (metrics/interval.py).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.evaluation.samples import joined
from orchestrator.metrics import METRICS
from orchestrator.metrics.interval import DRAWS, SEED, bootstrap

Row = Mapping[str, Any]


def scores_of(predict: str, label: str) -> dict[str, float]:
    """Every metric of one text against its reference, by name, 0 to 100."""
    return {name: round(metric.score(predict, label), 4) for name, metric in METRICS.items()}


def scored(row: Row) -> dict[str, Any]:
    """A prediction with its scores; with those of thought and answer together where either has a thought.

    An answer that did not come scores 0 everywhere: to leave it out would make a failing server look good.
    """
    told = dict(row)
    told["scores"] = scores_of(row["predict"], row["label"])
    if row["thinking"] or row["label_thinking"]:
        whole = (joined(row["thinking"], row["predict"]), joined(row["label_thinking"], row["label"]))
        told["scores_with_thinking"] = scores_of(*whole)
    return told


def numbers(rows: Sequence[Row], *, system: str, split: str, missing: str = "") -> dict[str, Any]:
    """What eval.json holds.

    Args:
        rows: as scored() made them.
        system: the model's name.
        split: the rows' name.
        missing: why the server gave no score of the references, "" when it did.
    """
    answered = [row for row in rows if not row["error"]]
    thought = any("scores_with_thinking" in row for row in rows)
    perplexity = perplexity_of(rows)
    return {
        "system": system,
        "split": split,
        "samples": len(rows),
        "answered": len(answered),
        "metrics": means([row["scores"] for row in rows]),
        "with_thinking": means([row.get("scores_with_thinking", row["scores"]) for row in rows])
        if thought
        else None,
        "perplexity": perplexity,
        "perplexity_missing": "" if perplexity else missing or "no reference was scored",
        "length": lengths([row["tokens"] for row in answered]),
        "stops": dict(Counter(row["finish_reason"] or "unknown" for row in answered).most_common()),
        "errors": dict(Counter(row["error"] for row in rows if row["error"]).most_common(5)),
        "seconds": round(sum(row["seconds"] for row in answered), 3),
    }


def means(scores: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Metric → {"mean", "low", "high"} over the samples; each 0 to 100."""
    told = {}
    for name in METRICS:
        values = [each[name] for each in scores]
        low, high = bootstrap(values)
        mean = sum(values) / len(values) if values else 0.0
        told[name] = {"mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4)}
    return told


def perplexity_of(rows: Sequence[Row]) -> dict[str, Any] | None:
    """{"value", "low", "high", "tokens"}: exp of the mean loss of a reference's token; None of none."""
    pairs = [(row["nll"], row["label_tokens"]) for row in rows if row.get("label_tokens")]
    if not pairs:
        return None
    drawn = random.Random(SEED)  # noqa: S311  statistics, no secret
    values = sorted(_perplexity(drawn.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
    low, high = values[int(0.025 * DRAWS)], values[math.ceil(0.975 * DRAWS) - 1]
    told = {"value": _perplexity(pairs), "low": low, "high": high}
    return {name: round(value, 4) for name, value in told.items()} | {"tokens": sum(n for _, n in pairs)}


def _perplexity(pairs: Sequence[tuple[float, int]]) -> float:
    mean = sum(nll for nll, _ in pairs) / sum(tokens for _, tokens in pairs)
    return math.exp(min(mean, 700.0))  # beyond it a float ends


def lengths(tokens: Sequence[int]) -> dict[str, float]:
    """{"mean", "median", "p90", "longest"} in tokens; zeros of none.

    >>> lengths([1, 2, 9])
    {'mean': 4.0, 'median': 2, 'p90': 9, 'longest': 9}
    """
    if not tokens:
        return {"mean": 0.0, "median": 0, "p90": 0, "longest": 0}
    ordered = sorted(tokens)
    at = (len(ordered) // 2, min(len(ordered) - 1, math.ceil(0.9 * len(ordered)) - 1))
    middle, most = (ordered[place] for place in at)
    mean = round(sum(ordered) / len(ordered), 2)
    return {"mean": mean, "median": middle, "p90": most, "longest": ordered[-1]}
