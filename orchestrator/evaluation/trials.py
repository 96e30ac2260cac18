"""The trials of a sweep: settings, results, and what to try next. Pure.

next_trial() is a function of the sweep and its history and keeps no state, so an interrupted sweep continues
as if it had not been interrupted. The search is Optuna's (TPE), over a study that is rebuilt from the history
each time.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.errors import MissingError, Problem
from orchestrator.recipe import Sweep
from orchestrator.results import Sentence

if TYPE_CHECKING:
    import optuna

MET, MISSED, FAILED, PRUNED, RUNNING = "met", "missed", "failed", "pruned", "running"
SEED = 42
NOTHING = Sentence()
# Complete trials needed before another one may be pruned.
FEWEST_BEFORE_PRUNING = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial.

    Attributes:
        number: from 1.
        settings: dotted key → value, set on the recipe.
        run: RECIPE/ID of its run, "" before it starts.
        status: met, missed, failed, pruned or running (also if interrupted).
        score: how close to the target it came, 0 to 1; None if unknown.
        minutes: its duration without interruptions.
        sentence: the result.
        losses: step → loss, for the pruning of later trials; the validation loss if there is one.
    """

    number: int
    settings: Mapping[str, Any]
    run: str = ""
    status: str = RUNNING
    score: float | None = None
    minutes: float = 0.0
    sentence: Sentence = NOTHING
    losses: Mapping[str, float] = field(default_factory=dict)


History = Sequence[Trial]


def written(settings: Mapping[str, Any], sign: str = "=") -> list[str]:
    """Settings in the form of --set, or with ": " in the form of a recipe.

    >>> written({"train.learning_rate": 1e-05, "train.scheduler": "linear"})
    ['train.learning_rate=1e-05', 'train.scheduler="linear"']
    """
    return [f"{key}{sign}{json.dumps(value, ensure_ascii=False)}" for key, value in settings.items()]


def next_trial(sweep: Sweep, history: History) -> Trial | None:
    """The next trial; None if the budget is spent, the grid is complete, or the target is met.

    Args:
        sweep: the recipe's section.
        history: every trial so far, in order; a running one was interrupted and continues.
    """
    if any(trial.status == MET for trial in history):
        return None
    if history and history[-1].status == RUNNING:
        return history[-1]
    if why_ended(sweep, history):
        return None
    if sweep.search == "optuna":
        settings = _suggested(sweep.settings, history)
    else:
        settings = grid(sweep.settings)[len(history)]
    return Trial(len(history) + 1, settings)


def why_ended(sweep: Sweep, history: History) -> str:
    """Why no other trial starts, "" if one may."""
    spent = sum(trial.minutes for trial in history)
    if len(history) >= sweep.runs:
        return f"sweep.runs: {sweep.runs} trials are done"
    if sweep.minutes is not None and spent >= sweep.minutes:
        return f"sweep.minutes: {spent:.0f} of {sweep.minutes:g} minutes are used"
    if sweep.search == "grid" and len(history) >= len(grid(sweep.settings)):
        return f"all {len(history)} settings of the sweep are tried"
    return ""


def grid(settings: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination, the first key slowest.

    >>> grid({"a": [1, 2], "b": [3]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 3}]
    """
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]


def best_of(history: History) -> Trial | None:
    """The best trial; the first among equals."""
    scored = [trial for trial in history if trial.score is not None]
    return max(scored, key=lambda trial: (trial.score or 0.0, -trial.number), default=None)


def should_prune(history: History, losses: Mapping[int, float]) -> bool:
    """Whether a training is worse than half of the earlier ones at this step (Optuna's MedianPruner).

    Args:
        history: the earlier trials.
        losses: step → loss of this one so far.
    """
    if not losses:
        return False
    # The pruner compares the others' losses at this step with the best of this trial so far.
    step, best = max(losses), min(losses.values())
    there = [trial.losses[str(step)] for trial in history if str(step) in trial.losses]
    if len(there) < FEWEST_BEFORE_PRUNING:
        return False
    study = _study(FEWEST_BEFORE_PRUNING)
    for loss in there:
        study.add_trial(_frozen({}, {}, 0.0, {step: loss}))
    running = study.ask()
    running.report(best, step)
    return bool(running.should_prune())


def _suggested(settings: Mapping[str, Any], history: History) -> dict[str, Any]:
    """Optuna's next suggestion, a function of the history alone."""
    study = _study(FEWEST_BEFORE_PRUNING, seed=SEED + len(history))
    spans = {key: _distribution(values) for key, values in settings.items()}
    for trial in history:
        params = {key: _index(settings[key], trial.settings[key]) for key in spans}
        # Optuna minimizes; a failed trial is as bad as possible.
        study.add_trial(_frozen(params, spans, 1.0 - (trial.score or 0.0), {}))
    asked = study.ask(spans)
    return {
        key: values[asked.params[key]] if isinstance(values, list) else asked.params[key]
        for key, values in settings.items()
    }


def _index(values: Any, given: Any) -> Any:
    """The index of a value in a list: Optuna's categories are plain values, a recipe's may be lists."""
    return values.index(given) if isinstance(values, list) else given


def _distribution(values: Any) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, list):
        return CategoricalDistribution(range(len(values)))
    low, high, log = values["from"], values["to"], bool(values.get("log"))
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _study(startup: int, seed: int = SEED) -> optuna.Study:
    """An empty study, in memory.

    Raises:
        MissingError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        what = "sweep.search: optuna needs the package optuna"
        raise MissingError(Problem(what, hint='pip install "conch[search]", or search: grid')) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup)
    return optuna.create_study(
        sampler=sampler, pruner=optuna.pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=0)
    )


def _frozen(
    params: Mapping[str, Any], spans: Mapping[str, Any], value: float, losses: Mapping[int, float]
) -> optuna.trial.FrozenTrial:
    import optuna

    return optuna.trial.create_trial(
        params=dict(params), distributions=dict(spans), value=value, intermediate_values=dict(losses)
    )
