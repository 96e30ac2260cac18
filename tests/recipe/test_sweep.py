"""What a target and a sweep take and refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.recipe import Sweep, Target


def test_a_grid_and_a_range() -> None:
    sweep = Sweep(settings={"train.learning_rate": [1e-4, 1e-3], "train.epochs": [3, 6, 9]})
    assert (sweep.combinations, sweep.runs, sweep.minutes) == (6, 20, None)
    ranged = Sweep(
        settings={"train.learning_rate": {"from": "1e-5", "to": 1e-3, "log": True}}, search="optuna"
    )
    assert ranged.combinations == 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "a mapping of keys to values"),
        ([1], "a mapping of keys to values"),
        ({"train.epochs": 3}, "a list of values for train.epochs"),
        ({"train.epochs": []}, "a list of values for train.epochs"),
        ({"epochs": [3]}, "epochs cannot be tried"),
        ({"target.checks": [0.1]}, "target.checks cannot be tried"),
        ({"hardware.cpu": [{}]}, "hardware.cpu cannot be tried"),
        ({"train.epochs": {"from": 3}}, "a list for train.epochs"),
        ({"train.epochs": {"from": 3, "to": 9, "step": 2}}, "a list for train.epochs"),
        ({"train.epochs": {"from": 9, "to": 3}}, "a range for train.epochs with from below to"),
        ({"train.epochs": {"from": 0, "to": 3, "log": True}}, "from above 0 if log is true"),
    ],
)
def test_settings_that_cannot_be_tried(settings: Any, words: str) -> None:
    with pytest.raises(ValidationError) as found:
        Sweep(settings=settings)
    assert words in str(found.value)


def test_a_target_is_given_when_anything_is_aimed_at() -> None:
    assert not Target().given
    assert Target(regression=0).given
    assert Target(metrics={"rouge-l": 50}).given


@pytest.mark.parametrize(
    "wrong",
    [{"checks": 0}, {"checks": 1.1}, {"metrics": {"rouge-l": 101}}, {"metrics": [60]}, {"regression": -1}],
)
def test_a_target_that_nothing_can_meet(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Target(**wrong)
