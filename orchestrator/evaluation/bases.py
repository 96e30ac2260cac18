"""Untrained models on the same rows: which one predicts the data's answers best. Pure.

Perplexity counts a model's own tokens, so it cannot be compared between tokenizers. Bits per character can:
the cost of a whole reference, divided by its length in characters. Lower is better. The 95 % intervals
resample the rows; for a difference, each row with both its answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from orchestrator.evaluation.comparison import (
    Difference,
    Pair,
    difference,
    differences,
    paired_difference,
    pairs_of,
)
from orchestrator.evaluation.numbers import Numbers, PredictionRow
from orchestrator.evaluation.samples import joined
from orchestrator.metrics.interval import resampled
from orchestrator.results import Outcome, Verdict, passed_of

BITS = "bits_per_character"
# The metric that treats Chinese and English alike, and moves before an answer is exact.
METRIC = "chrf"


class Bits(TypedDict):
    """Bits per character of the references, with the interval."""

    value: float
    low: float
    high: float
    characters: int


class Speed(TypedDict):
    """How fast a base answers; None if it answered nothing."""

    seconds_an_answer: float | None
    tokens_a_second: float | None


class BaseFacts(TypedDict):
    """How a base was asked, and where its answers are."""

    template: str
    thinking: str
    revision: str
    run: str
    answers: str


class BaseResult(BaseFacts):
    """One base."""

    base: str
    numbers: Numbers
    bits_per_character: Bits | None
    general: list[int]
    speed: Speed


class BaseDifference(TypedDict):
    """Another base against the first."""

    a: str
    b: str
    samples: int
    metrics: dict[str, Difference]
    bits_per_character: Difference | None
    general: Difference


class Best(Difference):
    """The best base by a measure, and the second; `sure` if the interval does not contain 0."""

    base: str
    against: str
    sure: bool


class BaseRow(TypedDict):
    """A question with all answers."""

    id: str
    question: str
    reference: str
    answers: list[str]


class ComparedBases(TypedDict):
    """A comparison of bases; `best` by measure."""

    bases: list[BaseResult]
    differences: list[BaseDifference]
    best: dict[str, Best]
    rows: list[BaseRow]


@dataclass(frozen=True, slots=True)
class BaseQuestions:
    """One base and its results.

    Attributes:
        name: as given.
        rows: its predictions.
        numbers: its eval.json.
        general: the verdicts on the questions of general knowledge.
        facts: how it was asked.
    """

    name: str
    rows: Sequence[PredictionRow]
    numbers: Numbers
    general: Sequence[Verdict]
    facts: BaseFacts


def compared_bases(bases: Sequence[BaseQuestions]) -> ComparedBases:
    """The comparison: each base, its differences from the first, the best, and all answers."""
    first = bases[0]
    return {
        "bases": [_result(one) for one in bases],
        "differences": [_difference(first, other) for other in bases[1:]],
        "best": {measure: found for measure in (BITS, METRIC) if (found := _best(measure, bases))},
        "rows": _rows(bases),
    }


def bits_of(rows: Sequence[PredictionRow]) -> Bits | None:
    """The bits per character of the references; None if none was scored."""
    pairs = [_cost(row) for row in rows if row.get("label_tokens")]
    if not pairs:
        return None
    low, high = resampled(pairs, _rate)
    characters = sum(count for _, count in pairs)
    value = round(_rate(pairs), 4)
    return {"value": value, "low": round(low, 4), "high": round(high, 4), "characters": characters}


def bits_apart(pairs: Sequence[Pair]) -> Difference | None:
    """The difference in bits over the references that both scored; None if there are none."""
    both = [(_cost(a), _cost(b)) for a, b in pairs if a.get("label_tokens") and b.get("label_tokens")]
    if not both:
        return None

    def rates(costs: Sequence[tuple[tuple[float, int], tuple[float, int]]]) -> tuple[float, float]:
        return _rate([a for a, _ in costs]), _rate([b for _, b in costs])

    def apart(costs: Sequence[tuple[tuple[float, int], tuple[float, int]]]) -> float:
        a, b = rates(costs)
        return b - a

    return difference(*rates(both), apart(both), resampled(both, apart))


def _cost(row: PredictionRow) -> tuple[float, int]:
    """(bits of a reference, its characters); its end token costs too."""
    text = joined(row["label_thinking"], row["label"])
    return row["nll"] / math.log(2), max(1, len(text))


def _rate(costs: Sequence[tuple[float, int]]) -> float:
    return sum(bits for bits, _ in costs) / sum(characters for _, characters in costs)


def _result(one: BaseQuestions) -> BaseResult:
    answered = [row for row in one.rows if not row["error"]]
    seconds, tokens = sum(row["seconds"] for row in answered), sum(row["tokens"] for row in answered)
    speed: Speed = {
        "seconds_an_answer": round(seconds / len(answered), 3) if answered else None,
        "tokens_a_second": round(tokens / seconds, 1) if seconds else None,
    }
    return {
        "base": one.name,
        **one.facts,
        "numbers": one.numbers,
        "bits_per_character": bits_of(one.rows),
        "general": list(passed_of(one.general)),
        "speed": speed,
    }


def _difference(first: BaseQuestions, other: BaseQuestions) -> BaseDifference:
    pairs = pairs_of(first.rows, other.rows)
    return {
        "a": first.name,
        "b": other.name,
        "samples": len(pairs),
        "metrics": differences(pairs),
        "bits_per_character": bits_apart(pairs),
        "general": general_apart(first.general, other.general),
    }


def general_apart(a: Sequence[Verdict], b: Sequence[Verdict]) -> Difference:
    """The difference in the share of questions passed, in points of 100."""
    before, after = (
        {case: 100.0 * bool(passed) for case, passed in Outcome.of(verdicts).cases.items()}
        for verdicts in (a, b)
    )
    return paired_difference([(before[case], passed) for case, passed in after.items() if case in before])


def _best(measure: str, bases: Sequence[BaseQuestions]) -> Best | None:
    """The best base by a measure against the second; None if fewer than two are measured."""
    known = [(value, at) for at, one in enumerate(bases) if (value := _value(measure, one)) is not None]
    if len(known) < 2:  # noqa: PLR2004  a difference has two sides
        return None
    known.sort(key=lambda pair: (pair[0] if measure == BITS else -pair[0], pair[1]))
    best, second = bases[known[0][1]], bases[known[1][1]]
    pairs = pairs_of(best.rows, second.rows)
    found = bits_apart(pairs) if measure == BITS else differences(pairs).get(measure)
    if not found:
        return None
    return {
        "base": best.name,
        "against": second.name,
        **found,
        "sure": found["low"] > 0 or found["high"] < 0,
    }


def _value(measure: str, one: BaseQuestions) -> float | None:
    if measure == BITS:
        found = bits_of(one.rows)
        return found["value"] if found else None
    return one.numbers["metrics"][measure]["mean"]


def _rows(bases: Sequence[BaseQuestions]) -> list[BaseRow]:
    """Every question with the answers of all."""
    first = bases[0]
    answers = [[row["predict"] for row in first.rows]]
    for other in bases[1:]:
        known: Mapping[tuple[str, int], str] = {
            (b["dataset"], b["row"]): b["predict"] for _, b in pairs_of(first.rows, other.rows)
        }
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
