"""Two models on the same questions: what differs, how sure that is, and what got worse. Pure.

a is the one before or the other one, b the one that is looked at. A difference of metrics is b's mean less
a's over the samples that both were asked, its interval (95 %) by drawing those samples anew, each with both
its answers: it does not hold 0 where the difference is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.metrics import METRICS
from orchestrator.metrics.interval import bootstrap
from orchestrator.results import Verdict, passed_of

Row = Mapping[str, Any]


def pairs_of(a: Iterable[Row], b: Iterable[Row]) -> list[tuple[Row, Row]]:
    """The predictions of both over the same question with the same reference, in b's order."""
    known = {_key(row): row for row in a}
    return [(known[_key(row)], row) for row in b if _key(row) in known]


def _key(row: Row) -> tuple[Any, ...]:
    asked = tuple((message["role"], message["content"]) for message in row["messages"])
    return asked, row["label"], row["label_thinking"]


def differences(pairs: Sequence[tuple[Row, Row]]) -> dict[str, dict[str, float]]:
    """Metric → {"a", "b", "difference", "low", "high"}; each 0 to 100, differences from −100."""
    told: dict[str, dict[str, float]] = {}
    for name in METRICS if pairs else ():
        scores = [(one["scores"][name], other["scores"][name]) for one, other in pairs]
        steps = [after - before for before, after in scores]
        low, high = bootstrap(steps)
        mean = sum(steps) / len(steps)
        first, second = (sum(values) / len(scores) for values in zip(*scores, strict=True))
        found = {"a": first, "b": second, "difference": mean, "low": low, "high": high}
        told[name] = {key: round(value, 4) for key, value in found.items()}
    return told


def rows_of_pairs(pairs: Sequence[tuple[Row, Row]]) -> list[dict[str, Any]]:
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


def rows_of_verdicts(kind: str, a: Sequence[Verdict], b: Sequence[Verdict]) -> list[dict[str, Any]]:
    """The judged answers of the cases that both were asked; a case passes with all its checks."""
    before, after = _cases(a), _cases(b)
    return [
        {
            "kind": kind,
            "id": case,
            "question": judged[0].question,
            "reference": judged[0].expected,
            "a": before[case][0].answer,
            "b": judged[0].answer,
            "a_passed": all(verdict.passed for verdict in before[case]),
            "b_passed": all(verdict.passed for verdict in judged),
            "scores": {},
        }
        for case, judged in after.items()
        if case in before
    ]


def compared(
    a: str,
    b: str,
    pairs: Sequence[tuple[Row, Row]],
    judged: Mapping[str, tuple[list[Verdict], list[Verdict]]],
) -> dict[str, Any]:
    """What compare.json holds.

    Args:
        a: what the first is called.
        b: what the second is called.
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
            kind: {"a": list(passed_of(both[0])), "b": list(passed_of(both[1]))}
            for kind, both in judged.items()
        },
        "worse": [row["id"] for row in rows if row["a_passed"] and not row["b_passed"]],
        "rows": [*rows, *rows_of_pairs(pairs)],
    }


def _cases(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.case, []).append(verdict)
    return found
