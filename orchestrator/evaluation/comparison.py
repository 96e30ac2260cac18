"""Two models on the same questions: the differences with their intervals, and what got worse. Pure.

a is the model before or the other model, b the one under test. A metric's difference is b's mean minus a's
over the samples that both answered; its 95 % interval resamples those pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NotRequired, TypedDict

from orchestrator.evaluation.llm_judge import JudgeResult
from orchestrator.evaluation.numbers import PredictionRow
from orchestrator.evaluation.samples import Message
from orchestrator.metrics import METRICS
from orchestrator.metrics.interval import bootstrap
from orchestrator.results import Outcome, Verdict, passed_of

Pair = tuple[PredictionRow, PredictionRow]


class Difference(TypedDict):
    """Two values, b minus a, and its interval."""

    a: float
    b: float
    difference: float
    low: float
    high: float


class ComparedRow(TypedDict):
    """The answers to one question side by side; `kind` is "split", "checks" or "general"."""

    kind: str
    id: str
    question: str
    messages: NotRequired[list[Message]]
    reference: str
    a: str
    b: str
    a_passed: bool | None
    b_passed: bool | None
    scores: dict[str, list[float]]


class Passed(TypedDict):
    """[passed, asked] of each model."""

    a: list[int]
    b: list[int]


class Compared(TypedDict):
    """compare.json."""

    a: str
    b: str
    metrics: dict[str, Difference]
    samples: int
    passed: dict[str, Passed]
    worse: list[str]
    rows: list[ComparedRow]
    judge: NotRequired[JudgeResult]


def difference(a: float, b: float, apart: float, interval: tuple[float, float]) -> Difference:
    """A difference, rounded."""
    low, high = interval
    return {
        "a": round(a, 4),
        "b": round(b, 4),
        "difference": round(apart, 4),
        "low": round(low, 4),
        "high": round(high, 4),
    }


def paired_difference(scores: Sequence[tuple[float, float]]) -> Difference:
    """The difference of means over pairs of scores; zeros of none."""
    steps, count = [b - a for a, b in scores], max(1, len(scores))
    a, b = sum(a for a, _ in scores) / count, sum(b for _, b in scores) / count
    return difference(a, b, sum(steps) / count, bootstrap(steps))


def pairs_of(a: Iterable[PredictionRow], b: Iterable[PredictionRow]) -> list[Pair]:
    """The predictions of both for the same question with the same reference, in b's order."""
    known = {_key(row): row for row in a}
    return [(known[_key(row)], row) for row in b if _key(row) in known]


def _key(row: PredictionRow) -> tuple[object, ...]:
    question = tuple((message["role"], message["content"]) for message in row["messages"])
    return question, row["label"], row["label_thinking"]


def differences(pairs: Sequence[Pair]) -> dict[str, Difference]:
    """The difference of each metric; values from 0 to 100. Empty without pairs."""
    return {
        name: paired_difference([(a["scores"][name], b["scores"][name]) for a, b in pairs])
        for name in METRICS
        if pairs
    }


def rows_of_pairs(pairs: Sequence[Pair]) -> list[ComparedRow]:
    """The answers of a split side by side."""
    return [
        {
            "kind": "split",
            "id": f"{b['dataset']}:{b['row']}",
            "question": b["prompt"],
            "messages": b["messages"],
            "reference": b["label"],
            "a": a["predict"],
            "b": b["predict"],
            "a_passed": None,
            "b_passed": None,
            "scores": {name: [a["scores"][name], b["scores"][name]] for name in METRICS},
        }
        for a, b in pairs
    ]


def rows_of_verdicts(kind: str, a: Sequence[Verdict], b: Sequence[Verdict]) -> list[ComparedRow]:
    """The judged answers of the cases that both were asked; a case passes if all its checks do."""
    before, after = _cases(a), _cases(b)
    passed_a, passed_b = Outcome.of(a).cases, Outcome.of(b).cases
    return [
        {
            "kind": kind,
            "id": case,
            "question": verdicts[0].question,
            "reference": verdicts[0].expected,
            "a": before[case][0].answer,
            "b": verdicts[0].answer,
            "a_passed": passed_a[case],
            "b_passed": passed_b[case],
            "scores": {},
        }
        for case, verdicts in after.items()
        if case in before
    ]


def compared(
    a: str,
    b: str,
    pairs: Sequence[Pair],
    judged: Mapping[str, tuple[list[Verdict], list[Verdict]]],
) -> Compared:
    """The comparison of two models.

    Args:
        a: the first model's name.
        b: the second model's name.
        pairs: of a split's samples.
        judged: kind ("checks", "general") → both models' verdicts.
    """
    rows = [row for kind, both in judged.items() for row in rows_of_verdicts(kind, *both)]
    return {
        "a": a,
        "b": b,
        "metrics": differences(pairs),
        "samples": len(pairs),
        "passed": {
            kind: {"a": list(passed_of(before)), "b": list(passed_of(after))}
            for kind, (before, after) in judged.items()
        },
        "worse": [row["id"] for row in rows if row["a_passed"] and row["b_passed"] is False],
        "rows": [*rows, *rows_of_pairs(pairs)],
    }


def _cases(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.case, []).append(verdict)
    return found
