"""What to try next: a grid in its order, a search that learns, budgets, an interruption, and pruning."""

from __future__ import annotations

import math
import sys

import pytest

from orchestrator.errors import MissingError
from orchestrator.evaluation.trials import Trial, best_of, grid, next_trial, should_prune, why_ended
from orchestrator.recipe import Sweep

RATE, EPOCHS = "train.learning_rate", "train.epochs"
SWEEP = Sweep(settings={RATE: [1e-4, 1e-3], EPOCHS: [3, 6]})
SEARCH = Sweep(settings={RATE: {"from": 1e-5, "to": 1e-2, "log": True}, EPOCHS: [1, 3, 9]}, search="optuna")


def tried(count: int, status: str = "missed", minutes: float = 1.0) -> list[Trial]:
    return [
        Trial(at + 1, setting, "r", status, 0.5, minutes)
        for at, setting in enumerate(grid(SWEEP.settings)[:count])
    ]


def test_a_grid_is_tried_in_its_order_and_ends() -> None:
    history: list[Trial] = []
    while (trial := next_trial(SWEEP, history)) is not None:
        history.append(Trial(trial.number, trial.settings, "r", "missed", 0.1))
    assert [one.settings for one in history] == [
        {RATE: 1e-4, EPOCHS: 3},
        {RATE: 1e-4, EPOCHS: 6},
        {RATE: 1e-3, EPOCHS: 3},
        {RATE: 1e-3, EPOCHS: 6},
    ]
    assert why_ended(SWEEP, history) == "all 4 settings of the sweep are tried"


def test_a_trial_that_meets_the_target_is_the_last() -> None:
    assert next_trial(SWEEP, [*tried(1), *tried(1, "met")]) is None


def test_an_interrupted_trial_is_gone_on_with() -> None:
    running = Trial(2, {RATE: 7.0})
    assert next_trial(SWEEP, [*tried(1), running]) is running
    # Even where the budget is spent: it was begun within it.
    assert next_trial(SWEEP.model_copy(update={"runs": 2}), [*tried(1), running]) is running


def test_a_failed_trial_counts_and_is_not_tried_again() -> None:
    following = next_trial(SWEEP, tried(1, "failed"))
    assert following is not None
    assert following.settings == {RATE: 1e-4, EPOCHS: 6}


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ({"runs": 2}, "sweep.runs: 2 trials are done"),
        ({"minutes": 2}, "sweep.minutes: 2 of 2 minutes are used"),
    ],
)
def test_a_budget_ends_it(budget: dict[str, int], why: str) -> None:
    assert next_trial(SWEEP.model_copy(update=budget), tried(2)) is None
    assert why_ended(SWEEP.model_copy(update=budget), tried(2)) == why


def test_the_best_is_the_nearest_and_of_equals_the_first() -> None:
    history = [Trial(n, {}, score=score) for n, score in enumerate((0.2, 0.7, None, 0.7), start=1)]
    assert best_of(history) == history[1]
    assert best_of([Trial(1, {}, status="failed")]) is None


def searched(runs: int) -> list[Trial]:
    """A search for a rate of 1e-3 and three epochs."""
    history: list[Trial] = []
    while (trial := next_trial(SEARCH.model_copy(update={"runs": runs}), history)) is not None:
        rate, epochs = trial.settings[RATE], trial.settings[EPOCHS]
        score = max(0.0, 1 - abs(math.log10(rate) + 3) / 2 - abs(epochs - 3) / 20)
        history.append(Trial(trial.number, trial.settings, "r", "missed", score))
    return history


def test_a_search_learns_from_its_history_and_repeats_itself() -> None:
    history = searched(20)
    best = best_of(history)
    assert best is not None
    assert best.settings[EPOCHS] == 3
    assert abs(math.log10(best.settings[RATE]) + 3) < 0.2
    early, late = history[:5], history[-5:]
    assert sum(t.score or 0 for t in late) > sum(t.score or 0 for t in early)
    assert searched(6) == history[:6], "the next trial is a function of the history"


def test_a_search_takes_values_that_are_lists_and_trials_that_failed() -> None:
    settings = {
        "train.lora_target": [["q_proj", "v_proj"], "all"],
        "train.lora_rank": {"from": 4, "to": 64},
    }
    sweep = SEARCH.model_copy(update={"settings": settings})
    history = [Trial(1, {"train.lora_target": "all", "train.lora_rank": 8}, "r", "failed")]
    following = next_trial(sweep, history)
    assert following is not None
    assert following.settings["train.lora_target"] in (["q_proj", "v_proj"], "all")
    assert isinstance(following.settings["train.lora_rank"], int)


def test_without_optuna_the_fix_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingError) as found:
        next_trial(SEARCH, [])
    assert 'pip install "conch[search]"' in found.value.problems[0].hint


def test_a_training_that_goes_worse_than_half_is_pruned() -> None:
    past = [
        Trial(n, {}, "r", "missed", 0.5, losses={str(step): n + 1 / step for step in (1, 2, 3)})
        for n in range(4)
    ]
    assert should_prune(past, {1: 9.0, 2: 9.0})
    assert not should_prune(past, {1: 0.5, 2: 0.4})
    assert not should_prune(past[:2], {1: 9.0}), "two courses are too few"
    assert not should_prune(past, {})
    assert not should_prune(past, {4: 9.0}), "none of them came so far"
    assert not should_prune(past, {1: 0.1, 2: 9.0}), "its best counts"
