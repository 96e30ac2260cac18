"""One trial of a sweep: the recipe with the trial's settings laid on it, run, and what came of it kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.errors import CheckFailed, Problem, StageFailed, TimedOut
from orchestrator.evaluation.target import NEARLY
from orchestrator.evaluation.trials import FAILED, MET, MISSED, PRUNED, RUNNING, Trial, written
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.project import discovery
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.training_log import Course
from orchestrator.execute.runner.pruning import Pruning
from orchestrator.execute.runner.run_plan import run_recipe
from orchestrator.execute.runner.trials_file import TrialsFile
from orchestrator.plan.job import Job
from orchestrator.plan.plan import build_plan
from orchestrator.results import Report, Sentence, in_chinese, joined

# What ends a training early where the recipe does not say: a trial that learns nothing more costs others.
PLATEAU, PATIENCE = 0.2, 3


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What is run: a recipe's name, with what is laid on it for every trial."""

    recipe: str
    project: Path
    sets: Sequence[str] = ()
    hardware: str = "auto"
    accept_mismatch: bool = False

    def job(self, *more: str) -> Job:
        """The recipe, further settings laid on top."""
        return discovery.read_job(
            self.recipe,
            project=self.project,
            sets=[*self.sets, *more],
            hardware=self.hardware,
            accept_mismatch=self.accept_mismatch,
        )

    def trial_job(self, settings: Mapping[str, Any]) -> Job:
        """The recipe with a trial's settings, and with what ends a training early."""
        more = written(settings)
        return self.job(*endings(self.job(*more)), *more)


def endings(job: Job) -> list[str]:
    """What ends a training early, where the recipe leaves that open."""
    train, told = job.recipe.train, job.origins
    if not train.checkpoint_steps:
        return []
    more = [] if told["train.plateau"] != "default" else [f"train.plateau={PLATEAU}"]
    if job.names_of("validation") and told["train.early_stopping"] == "default":
        more.append(f"train.early_stopping={PATIENCE}")
    return more


@dataclass(slots=True)
class TrialRun:
    """One trial, from wherever it was left."""

    wanted: SweepRequest
    trials: TrialsFile
    trial: Trial
    progress: Progress
    begun: Callable[[Run], None]
    prunes: bool

    def perform(self) -> None:
        """Run it, and keep what came of it; interrupted it stays "running", and its minutes are kept."""
        job = self.wanted.trial_job(self.trial.settings)
        self.trials.put(self.trial)
        began = time.monotonic()
        listener = Pruning(self.progress, self.trials.history[:-1] if self.prunes else ())
        status, score, sentence, losses = RUNNING, None, Sentence(), {}
        try:
            folder, _ = run_recipe(
                build_plan(job), job, project=self.wanted.project, progress=listener, begun=self._begun
            )
            status, score, sentence = _judged(read_report(folder, recipe=job.recipe.name))
            losses = _course(folder)
        except (StageFailed, TimedOut, CheckFailed) as error:
            what = error.problems[0].what.partition("\n")[0]
            status, sentence = FAILED, Sentence(what, f"失败：`{what}`")
            if listener.pruned:
                status, losses = PRUNED, dict(listener.losses)
            elif isinstance(error, CheckFailed):
                status = RUNNING  # once that is fixed, it is gone on with
                raise
        finally:
            minutes = self.trial.minutes + (time.monotonic() - began) / 60
            known = {str(step): loss for step, loss in losses.items()}
            self._put(status=status, score=score, sentence=sentence, minutes=round(minutes, 3), losses=known)

    def _begun(self, run: Run) -> None:
        self._put(run=run.name)
        self.begun(run)

    def _put(self, **changes: Any) -> None:
        self.trial = replace(self.trial, **changes)
        self.trials.put(self.trial)


def _judged(report: Report) -> tuple[str, float | None, Sentence]:
    """(status, score, sentence) of a run that went through.

    Raises:
        CheckFailed: a proof does not hold.
    """
    if report.unproven or report.target is None:
        what = ", ".join(report.unproven) or "the run ended before it was judged"
        raise CheckFailed(
            Problem(f"not proven: {what}; no setting fixes that", hint=f"conch why {report.recipe}")
        )
    sentences = [part["sentence"] for part in report.target["parts"]]
    if report.target["met"] and report.exit_code:
        failed = Sentence(
            "but a check fails, and no target.checks allows it", "但有检查未通过，且没有 target.checks 允许"
        )
        return MISSED, NEARLY, joined([*sentences, failed])
    if report.target["met"]:
        return MET, 1.0, joined(sentences)
    if report.curve and (advice := report.curve["advice"]):
        curve = report.curve["sentence"]
        zh = f"{in_chinese(curve)}：建议{in_chinese(advice)}"
        sentences.append(Sentence(f"{curve}: try {advice}", zh))
    return MISSED, report.target["score"], joined(sentences)


def _course(folder: Path) -> dict[int, float]:
    """The course that later trials are held against."""
    course = Course()
    course.read(folder / "adapter/trainer_log.jsonl")
    return dict(course.validations or course.losses)
