"""A target against the results: each part met, just missed, and not measured."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.evaluation.target import Figures, check_target
from orchestrator.recipe import Target

REACHED = Figures(
    checks=(19, 20), paraphrases=(3, 4), general=(10, 24), general_base=(12, 24), metrics={"rouge-l": 61.5}
)
NOTHING = Figures((0, 0), (0, 0), (0, 0), (0, 0), {})


@pytest.mark.parametrize(
    ("target", "met"),
    [
        ({"checks": 0.95}, True),
        ({"checks": 0.951}, False),
        ({"paraphrases": 0.75}, True),
        ({"paraphrases": 0.8}, False),
        ({"metrics": {"rouge-l": 61.5}}, True),
        ({"metrics": {"rouge-l": 62}}, False),
        ({"metrics": {"bleu-4": 1}}, False),
        ({"regression": 2 / 24}, True),
        ({"regression": 0.08}, False),
        ({"checks": 0.95, "metrics": {"rouge-l": 60}, "regression": 0.1}, True),
        ({"checks": 0.95, "metrics": {"rouge-l": 70}, "regression": 0.1}, False),
    ],
)
def test_a_target(target: dict[str, Any], met: bool) -> None:  # noqa: FBT001
    found = check_target(Target(**target), REACHED)
    assert found.met is met
    assert (found.score == 1.0) is met


@pytest.mark.parametrize(
    "target", [{"checks": 0.5}, {"paraphrases": 0.5}, {"metrics": {"rouge-l": 0}}, {"regression": 1.0}]
)
def test_what_was_not_asked_is_not_met(target: dict[str, Any]) -> None:
    found = check_target(Target(**target), NOTHING)
    assert not found.met
    assert found.parts[0].actual is None


def test_no_target_is_not_met() -> None:
    assert not check_target(Target(), REACHED).met


def test_nearer_scores_higher() -> None:
    scores = [
        check_target(
            Target(checks=0.9, metrics={"rouge-l": 80}),
            Figures((n, 20), (0, 0), (0, 0), (0, 0), {"rouge-l": n}),
        ).score
        for n in range(20)
    ]
    assert scores == sorted(scores)
    assert len(set(scores)) == len(scores)


def test_the_sentences_name_both_numbers() -> None:
    parts = check_target(Target(checks=0.96, regression=0.05), REACHED).parts
    assert parts[0].sentence == "19 of 20 checks passed (95.0%, at least 96.0%)"
    assert parts[1].sentence == "10 of 24 general questions answered, the base 12 of 24 (at most 5.0% lost)"
