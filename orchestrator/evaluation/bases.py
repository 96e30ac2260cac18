"""Untouched models on the same rows: which tells the data's own answers best, and how sure that is. Pure.

Perplexity counts a model's own tokens, of which one tokenizer makes more than another: between tokenizers it
says nothing. Bits a character do: what a whole reference costs, by its length as people read it. Lower is
better. Intervals (95 %) are by drawing the rows anew, of a difference each row with both its answers.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.evaluation.comparison import differences, pairs_of
from orchestrator.evaluation.samples import joined
from orchestrator.metrics.interval import DRAWS, SEED, bootstrap
from orchestrator.results import Verdict, passed_of

BITS = "bits_per_character"
# Of the metrics, the one that is fair to Chinese and English alike, and moves before an answer is exact.
METRIC = "chrf"

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BaseQuestions:
    """One model that was asked.

    Attributes:
        name: as it was named.
        rows: its predictions (evaluation/numbers.py).
        numbers: its eval.json.
        general: what it was judged to know.
        facts: what else is told of it.
    """

    name: str
    rows: Sequence[Row]
    numbers: Mapping[str, Any]
    general: Sequence[Verdict]
    facts: Mapping[str, Any]


def compared_bases(asked: Sequence[BaseQuestions]) -> dict[str, Any]:
    """What is kept of a comparison.

    Returns:
        "bases": [{"base", "numbers", "bits_per_character", "general", "speed", …facts}]; "differences": of
        each other one from the first, {"a", "b", "metrics", "bits_per_character", "general"}; "best":
        measure → {"base", "against", "difference", "low", "high", "sure"}; "rows": questions with every
        answer.
    """
    first = asked[0]
    return {
        "bases": [_told(one) for one in asked],
        "differences": [_apart(first, other) for other in asked[1:]],
        "best": {measure: found for measure in (BITS, METRIC) if (found := _best(measure, asked))},
        "rows": _rows(asked),
    }


def bits_of(rows: Sequence[Row]) -> dict[str, float] | None:
    """{"value", "low", "high", "characters"} of the references that were scored; None of none."""
    pairs = [_cost(row) for row in rows if row.get("label_tokens")]
    if not pairs:
        return None
    low, high = _drawn(pairs, _rate)
    told = {"value": _rate(pairs), "low": low, "high": high}
    return {key: round(value, 4) for key, value in told.items()} | {"characters": sum(n for _, n in pairs)}


def bits_apart(pairs: Sequence[tuple[Row, Row]]) -> dict[str, float] | None:
    """{"a", "b", "difference", "low", "high"} over the references that both scored; None of none."""
    both = [(_cost(a), _cost(b)) for a, b in pairs if a.get("label_tokens") and b.get("label_tokens")]
    if not both:
        return None

    def apart(drawn: Sequence[Any]) -> float:
        return _rate([b for _, b in drawn]) - _rate([a for a, _ in drawn])

    low, high = _drawn(both, apart)
    one, other = _rate([a for a, _ in both]), _rate([b for _, b in both])
    told = {"a": one, "b": other, "difference": other - one, "low": low, "high": high}
    return {key: round(value, 4) for key, value in told.items()}


def _cost(row: Row) -> tuple[float, int]:
    """(bits of a reference, its characters); its end mark costs, too."""
    text = joined(row["label_thinking"], row["label"])
    return row["nll"] / math.log(2), max(1, len(text))


def _rate(pairs: Sequence[tuple[float, int]]) -> float:
    return sum(bits for bits, _ in pairs) / sum(characters for _, characters in pairs)


def _drawn(values: Sequence[Any], fold: Callable[[Sequence[Any]], float]) -> tuple[float, float]:
    chance = random.Random(SEED)  # noqa: S311  statistics, no secret
    found = sorted(fold(chance.choices(values, k=len(values))) for _ in range(DRAWS))
    return found[int(0.025 * DRAWS)], found[math.ceil(0.975 * DRAWS) - 1]


def _told(one: BaseQuestions) -> dict[str, Any]:
    answered = [row for row in one.rows if not row["error"]]
    seconds, tokens = sum(row["seconds"] for row in answered), sum(row["tokens"] for row in answered)
    speed = {
        "seconds_an_answer": round(seconds / len(answered), 3) if answered else None,
        "tokens_a_second": round(tokens / seconds, 1) if seconds else None,
    }
    told = {"base": one.name, **one.facts, "numbers": dict(one.numbers), BITS: bits_of(one.rows)}
    return {**told, "general": list(passed_of(one.general)), "speed": speed}


def _apart(first: BaseQuestions, other: BaseQuestions) -> dict[str, Any]:
    pairs = pairs_of(first.rows, other.rows)
    told = {"a": first.name, "b": other.name, "samples": len(pairs)}
    apart = {"metrics": differences(pairs), BITS: bits_apart(pairs)}
    return {**told, **apart, "general": general_apart(first.general, other.general)}


def general_apart(a: Sequence[Verdict], b: Sequence[Verdict]) -> dict[str, float]:
    """{"a", "b", "difference", "low", "high"}: the share of questions that each passes, in points of 100."""
    passed = [{verdict.case: 100.0 * verdict.passed for verdict in verdicts} for verdicts in (a, b)]
    both = [(passed[0][case], after) for case, after in passed[1].items() if case in passed[0]]
    steps = [after - before for before, after in both]
    low, high = bootstrap(steps)
    count = max(1, len(both))
    told = {"a": sum(one for one, _ in both) / count, "b": sum(other for _, other in both) / count}
    told |= {"difference": sum(steps) / count, "low": low, "high": high}
    return {key: round(value, 4) for key, value in told.items()}


def _best(measure: str, asked: Sequence[BaseQuestions]) -> dict[str, Any] | None:
    """The best by a measure against the one behind it; None where it is not known of two."""
    known = [(value, at) for at, one in enumerate(asked) if (value := _value(measure, one)) is not None]
    if len(known) < 2:  # noqa: PLR2004  a difference is of two
        return None
    known.sort(key=lambda pair: (pair[0] if measure == BITS else -pair[0], pair[1]))
    best, behind = asked[known[0][1]], asked[known[1][1]]
    pairs = pairs_of(best.rows, behind.rows)
    found = bits_apart(pairs) if measure == BITS else differences(pairs).get(measure)
    if not found:
        return None
    sure = found["low"] > 0 or found["high"] < 0
    return {"base": best.name, "against": behind.name, **found, "sure": sure}


def _value(measure: str, one: BaseQuestions) -> float | None:
    if measure == BITS:
        found = bits_of(one.rows)
        return found["value"] if found else None
    mean: float = one.numbers["metrics"][measure]["mean"]
    return mean


def _rows(asked: Sequence[BaseQuestions]) -> list[dict[str, Any]]:
    """Every question with the answers of all."""
    first = asked[0]
    answers = [[row["predict"] for row in first.rows]]
    for other in asked[1:]:
        known = {(b["dataset"], b["row"]): b["predict"] for _, b in pairs_of(first.rows, other.rows)}
        answers.append([known.get((row["dataset"], row["row"]), "") for row in first.rows])
    return [
        {
            "id": f"{row['dataset']}:{row['row']}",
            "question": row["prompt"],
            "reference": row["label"],
            "answers": [column[at] for column in answers],
        }
        for at, row in enumerate(first.rows)
    ]
