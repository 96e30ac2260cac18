"""One trial of a sweep: the recipe with the trial's settings, its run, its result in trials.json."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.errors import BusyError, CheckFailed, Problem, StageFailed, TimedOut
from orchestrator.evaluation.target import NEARLY
from orchestrator.evaluation.trials import (
    FAILED,
    MET,
    MISSED,
    PRUNED,
    Trial,
    best_of,
    should_prune,
    written,
)
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.host.file_lock import exclusive
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.project import discovery
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.training_log import Course
from orchestrator.execute.runner.run_plan import run_recipe
from orchestrator.plan.job import Job
from orchestrator.plan.plan import build_plan
from orchestrator.results import Report, Sentence, from_json, in_chinese, joined, json_of

# Early stopping where the recipe does not set it: a trial that learns nothing more takes time from others.
PLATEAU, PATIENCE = 0.2, 3


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """The recipe of a sweep, with the options that hold for every trial."""

    recipe: str
    project: Path
    sets: Sequence[str] = ()
    hardware: str = "auto"
    accept_mismatch: bool = False

    def job(self, *more: str) -> Job:
        """The recipe with further --set arguments on top."""
        return discovery.read_job(
            self.recipe,
            project=self.project,
            sets=[*self.sets, *more],
            hardware=self.hardware,
            accept_mismatch=self.accept_mismatch,
        )

    def trial_job(self, settings: Mapping[str, object]) -> Job:
        """The recipe with a trial's settings and early stopping."""
        more = written(settings)
        return self.job(*_early_stopping(self.job(*more)), *more)


def _early_stopping(job: Job) -> list[str]:
    train, origins = job.recipe.train, job.origins
    if not train.checkpoint_steps:
        return []
    more = [] if origins["train.plateau"] != "default" else [f"train.plateau={PLATEAU}"]
    if job.names_of("validation") and origins["train.early_stopping"] == "default":
        more.append(f"train.early_stopping={PATIENCE}")
    return more


@dataclass(slots=True)
class TrialsFile:
    """runs/RECIPE/trials.json: the trials of one study, written after every step of it.

    Attributes:
        folder: runs/RECIPE.
        study: what makes trials comparable; trials of another study are moved to trials.N.json.
        settings: dotted key → the values to try.
    """

    folder: Path
    study: str
    settings: Mapping[str, object]
    history: list[Trial] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path, study: str, settings: Mapping[str, object]) -> TrialsFile:
        """The trials of this study so far."""
        path = folder / "trials.json"
        found = read_json(path)
        if found is not None and found.get("study") == study:
            rows = [from_json(dict(row)) for row in found["trials"]]
            names = Trial.__dataclass_fields__
            trials = [Trial(**{name: row[name] for name in names if name in row}) for row in rows]
            return cls(folder, study, settings, trials)
        if path.exists():
            number = next(n for n in range(1, 10**6) if not (folder / f"trials.{n}.json").exists())
            path.rename(folder / f"trials.{number}.json")
        return cls(folder, study, settings)

    def put(self, trial: Trial) -> None:
        """Write a trial in place of its earlier state."""
        self.history = [*self.history[: trial.number - 1], trial]
        best = best_of(self.history)
        value = {
            "study": self.study,
            "settings": dict(self.settings),
            "trials": [json_of(one) for one in self.history],
            "best": best.number if best else None,
        }
        write_durable(self.folder / "trials.json", json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def only_one(folder: Path, recipe: str) -> AbstractContextManager[None]:
    """Be the only process that runs trials of a recipe; BusyError when another one does."""
    what = f"another `conch run {recipe} --until target` is running trials"
    busy = BusyError(Problem(what, str(folder), "wait for it, or stop it with `conch stop`"))
    return exclusive(folder / ".trials.lock", lambda: busy)


class Pruning:
    """A Progress that ends a training whose loss is worse than that of half of the earlier trials.

    Attributes:
        losses: step → loss so far, of the validation if there is one.
        pruned: whether the training was ended.
    """

    def __init__(self, progress: Progress, history: Sequence[Trial]) -> None:
        self._progress, self._history = progress, history
        self.say, self.start, self.now, self.end = progress.say, progress.start, progress.now, progress.end
        self.losses: dict[int, float] = {}
        self.pruned = False
        self._validated = False

    def step(self, step: TrainStep) -> None:
        """Pass a step on; raise CheckFailed when the training is to be pruned."""
        self._progress.step(step)
        if step.eval_loss is not None and not self._validated:
            self.losses, self._validated = {}, True
        loss = step.eval_loss if self._validated else step.loss
        if loss is None or self.pruned:
            return
        self.losses[step.step] = loss
        if self._history and should_prune(self._history, self.losses):
            self.pruned = True
            what = f"pruned at step {step.step}: the loss is worse than in half of the earlier trials"
            raise CheckFailed(Problem(what))


@dataclass(slots=True)
class TrialRun:
    """One trial, continued from its last state."""

    request: SweepRequest
    trials: TrialsFile
    trial: Trial
    progress: Progress
    begun: Callable[[Run], None]
    prunes: bool

    def perform(self) -> None:
        """Run it and record its result; after an interruption its status stays "running"."""
        job = self.request.trial_job(self.trial.settings)
        self.trials.put(self.trial)
        began, before = time.monotonic(), self.trial
        listener = Pruning(self.progress, self.trials.history[:-1] if self.prunes else ())
        result = before
        try:
            folder, _ = run_recipe(
                build_plan(job), job, project=self.request.project, progress=listener, begun=self._begun
            )
            result = _judged(before, read_report(folder, recipe=job.recipe.name), _losses(folder))
        except (StageFailed, TimedOut, CheckFailed) as error:
            what = error.problems[0].what.partition("\n")[0]
            result = replace(before, status=FAILED, sentence=Sentence(what, f"失败：`{what}`"))
            if listener.pruned:
                losses = {str(step): loss for step, loss in listener.losses.items()}
                result = replace(result, status=PRUNED, losses=losses)
            elif isinstance(error, CheckFailed):
                result = replace(result, status=before.status)  # the trial continues once that is fixed
                raise
        finally:
            minutes = before.minutes + (time.monotonic() - began) / 60
            self.trial = replace(result, run=self.trial.run, minutes=round(minutes, 3))
            self.trials.put(self.trial)

    def _begun(self, run: Run) -> None:
        self.trial = replace(self.trial, run=run.name)
        self.trials.put(self.trial)
        self.begun(run)


def _judged(trial: Trial, report: Report, losses: Mapping[int, float]) -> Trial:
    """The trial with the result of a completed run.

    Raises:
        CheckFailed: a proof does not hold.
    """
    if report.unproven or report.target is None:
        what = ", ".join(report.unproven) or "the run ended before it was judged"
        raise CheckFailed(
            Problem(f"not proven: {what}; no setting fixes that", hint=f"conch why {report.recipe}")
        )
    sentences = [part["sentence"] for part in report.target["parts"]]
    status, score = (MET, 1.0) if report.target["met"] else (MISSED, report.target["score"])
    if status == MET and report.exit_code:
        status, score = MISSED, NEARLY
        en, zh = (
            "but a check fails, and no target.checks allows it",
            "但有检查未通过，且没有 target.checks 允许",
        )
        sentences.append(Sentence(en, zh))
    elif status == MISSED and report.curve and (advice := report.curve["advice"]):
        curve = report.curve["sentence"]
        zh = f"{in_chinese(curve)}：建议{in_chinese(advice)}"
        sentences.append(Sentence(f"{curve}: try {advice}", zh))
    known = {str(step): loss for step, loss in losses.items()}
    return replace(trial, status=status, score=score, sentence=joined(sentences), losses=known)


def _losses(folder: Path) -> dict[int, float]:
    """The losses that later trials are compared with."""
    course = Course()
    course.read(folder / "adapter/trainer_log.jsonl")
    return dict(course.validations or course.losses)
