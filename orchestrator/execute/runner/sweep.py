"""`conch run RECIPE --until target`: trials, each a run, until one meets the recipe's target.

evaluation/trials.py chooses the next trial from runs/RECIPE/trials.json alone. An interrupted sweep continues
with its current trial, from that run's last checkpoint. At the end, the newest run of the recipe is the best
trial's, so that serve, verify and chat use it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, StageFailed, UsageError
from orchestrator.evaluation.trials import FAILED, Trial, best_of, next_trial, why_ended, written
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_paths import make_private
from orchestrator.execute.runner.run_plan import build_dependencies, run_recipe
from orchestrator.execute.runner.trial import SweepRequest, TrialRun, TrialsFile, only_one
from orchestrator.plan.job import Job
from orchestrator.plan.plan import build_plan, headline, plan_key
from orchestrator.recipe import Sweep
from orchestrator.results import Report

# This many failed trials in a row have a cause that no setting fixes.
FAILURES = 3


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Every trial, why no other one started, and the best one's run and report."""

    trials: Sequence[Trial]
    ended: str
    best: Trial | None
    job: Job
    folder: Path
    report: Report


def run_until_target(
    request: SweepRequest, *, progress: Progress, begun: Callable[[Run], None] = lambda _: None
) -> SweepResult:
    """Try settings until the target is met or the budget is spent.

    Args:
        request: the recipe; it has a target, and usually a sweep.
        progress: receives what happens.
        begun: called with each trial's run folder when it exists.

    Raises:
        UsageError: the recipe has no target, or a value of the sweep is wrong.
        BusyError: another process works on this recipe.
        ConchError: a trial ended in a way that no other setting fixes.
    """
    job = request.job()
    if not job.recipe.target.given:
        what, where = f"{job.recipe.name} has no target to run until", f"recipes/{job.recipe.name}.yaml"
        raise UsageError(Problem(what, where, "write one, e.g. target: {checks: 0.95}"))
    sweep = _sweep(job)
    _check_values(request, sweep.settings)
    folder = make_private(request.project, job.recipe.name)
    with only_one(folder, job.recipe.name):
        study = f"{plan_key(build_plan(job), job.lockfiles)} {sweep.search} {json.dumps(sweep.settings)}"
        trials = TrialsFile.open(folder, study, sweep.settings)
        progress.say(headline(job))
        build_dependencies(job, project=request.project, progress=progress)
        while (trial := next_trial(sweep, trials.history)) is not None:
            progress.say(
                f"trial {trial.number}: {' '.join(written(trial.settings)) or 'the recipe as it is'}"
            )
            TrialRun(request, trials, trial, progress, begun, prunes=sweep.search == "optuna").perform()
            progress.say(f"trial {trial.number} {trials.history[-1].status}: {trials.history[-1].sentence}")
            _give_up_after_failures(trials.history)
        return _best(request, trials, why_ended(sweep, trials.history), progress)


def _sweep(job: Job) -> Sweep:
    if job.recipe.sweep is not None:
        return job.recipe.sweep
    return Sweep.model_construct(settings={}, search="grid", runs=1, minutes=None)


def _check_values(request: SweepRequest, settings: Mapping[str, Any]) -> None:
    """Report every value that is not valid in a recipe before anything is trained."""
    problems: list[Problem] = []
    for key, values in settings.items():
        for value in values if isinstance(values, list) else (values["from"], values["to"]):
            try:
                request.job(*written({key: value}))
            except UsageError as error:
                problems += [replace(one, where=f"sweep.settings.{key}") for one in error.problems]
    if problems:
        raise UsageError(*dict.fromkeys(problems))


def _give_up_after_failures(history: Sequence[Trial]) -> None:
    last = history[-FAILURES:]
    if len(last) == FAILURES and all(trial.status == FAILED for trial in last):
        what = f"{FAILURES} trials in a row failed, the last with: {last[-1].sentence}"
        raise StageFailed(Problem(what, last[-1].run, f"conch logs {last[-1].run}"))


def _best(request: SweepRequest, trials: TrialsFile, ended: str, progress: Progress) -> SweepResult:
    """Make the best trial's run the newest of its recipe; its cached stages are reused."""
    best = best_of(trials.history)
    if best is None:
        what = f"none of {len(trials.history)} trials completed ({ended})"
        raise StageFailed(Problem(what, str(trials.folder), "conch runs ls"))
    job = request.trial_job(best.settings)
    plan = build_plan(job)
    progress.say(f"trial {best.number} is the best: its model becomes the recipe's last export")
    folder, runs = run_recipe(plan, job, project=request.project, progress=progress)
    report = read_report(folder, recipe=job.recipe.name, headline=plan.headline, runs=runs)
    return SweepResult(tuple(trials.history), ended, best, job, folder, report)
