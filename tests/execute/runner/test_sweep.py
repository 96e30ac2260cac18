"""Trials above the loop: what is tried, kept and chosen, over runs that only leave their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.errors import CheckFailed, Interrupted, MissingError, Problem, StageFailed
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner import sweep, trial
from orchestrator.execute.runner.sweep import run_until_target
from orchestrator.execute.runner.trial import SweepRequest
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Plan
from orchestrator.results import StageResult
from tests.small_world import SmallWorld

RATES = [1e-5, 1e-4, 1e-3]
SETS = ("target={checks: 0.95}", f"sweep.settings={{train.learning_rate: {RATES}}}")


class Quiet:
    """A Progress that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        pass

    def now(self, text: str) -> None:
        pass

    def step(self, step: TrainStep) -> None:
        pass

    def end(self, run: StageResult) -> None:
        pass


class Runs:
    """In place of run_recipe: every run leaves what `leaves` says of its learning rate, 0 to 1."""

    def __init__(self, leaves: Callable[[float], float | Exception], losses: Sequence[float] = ()) -> None:
        self.leaves, self.losses, self.rates = leaves, losses, list[float]()

    def __call__(
        self,
        _: Plan,
        job: Job,
        *,
        project: Path,
        progress: Progress,
        begun: Callable[[Run], None] = lambda _: None,
    ) -> tuple[Path, tuple[StageResult, ...]]:
        rate = job.recipe.train.learning_rate
        self.rates.append(rate)
        run = Run.create(project, job.recipe.name)
        begun(run)
        for step, loss in enumerate(self.losses, start=1):
            progress.step(TrainStep(step, len(self.losses), loss))
        found = self.leaves(rate)
        if isinstance(found, Exception):
            raise found
        parts = [{"name": "checks", "met": found >= 1, "sentence": f"reached {found}"}]
        target = {"met": found >= 1, "score": found, "parts": parts}
        (run.path / "target.json").write_text(json.dumps(target), encoding="utf-8")
        return run.path, ()


@pytest.fixture
def running(small: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Runs]:
    """Have runs leave what a function says."""

    def use(leaves: Callable[[float], float | Exception], losses: Sequence[float] = ()) -> Runs:
        runs = Runs(leaves, losses)
        for module in (trial, sweep):
            monkeypatch.setattr(module, "run_recipe", runs)
        return runs

    return use


def wanted(world: SmallWorld, *more: str) -> SweepRequest:
    return SweepRequest("small", world.project, (*SETS, *more))


def kept(world: SmallWorld) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.read("runs/small/trials.json"))
    return found


def test_it_stops_at_the_first_that_meets_the_target(small: SmallWorld, running: Callable[..., Runs]) -> None:
    runs = running(lambda rate: 1.0 if rate >= 1e-4 else 0.4)
    found = run_until_target(wanted(small), progress=Quiet())
    assert runs.rates == [1e-5, 1e-4, 1e-4], "the third is the best once more: taken over, not trained"
    assert (found.best and found.best.number, found.report.exit_code) == (2, 0)
    assert [one["status"] for one in kept(small)["trials"]] == ["missed", "met"]
    again = running(lambda _: 0.0)
    assert run_until_target(wanted(small), progress=Quiet()).best == found.best
    assert again.rates == [1e-4]


def test_where_none_meets_it_the_nearest_is_run_last(small: SmallWorld, running: Callable[..., Runs]) -> None:
    runs = running({1e-5: 0.2, 1e-4: 0.9, 1e-3: 0.5}.__getitem__)
    found = run_until_target(wanted(small), progress=Quiet())
    assert runs.rates == [*RATES, 1e-4]
    assert found.ended == "all 3 settings of the sweep are tried"
    assert found.report.exit_code == 5
    assert kept(small)["best"] == 2


def test_a_larger_budget_goes_on_where_the_smaller_ended(
    small: SmallWorld, running: Callable[..., Runs]
) -> None:
    runs = running(lambda _: 0.5)
    found = run_until_target(wanted(small, "sweep.runs=1"), progress=Quiet())
    assert found.ended == "sweep.runs: 1 trials are done"
    run_until_target(wanted(small, "sweep.runs=2"), progress=Quiet())
    assert runs.rates == [1e-5, 1e-5, 1e-4, 1e-5]


def test_a_failed_setting_is_passed_over(small: SmallWorld, running: Callable[..., Runs]) -> None:
    running(lambda rate: StageFailed(Problem("out of memory")) if rate == 1e-5 else 1.0)
    found = run_until_target(wanted(small), progress=Quiet())
    assert [(one.status, one.sentence) for one in found.trials] == [
        ("failed", "out of memory"),
        ("met", "reached 1.0"),
    ]


def test_three_failures_in_a_row_end_it(small: SmallWorld, running: Callable[..., Runs]) -> None:
    runs = running(lambda _: StageFailed(Problem("out of memory")))
    with pytest.raises(StageFailed, match="3 trials in a row failed, the last with: out of memory"):
        run_until_target(wanted(small), progress=Quiet())
    assert len(runs.rates) == 3


@pytest.mark.parametrize(
    "error",
    [Interrupted(Problem("interrupted")), MissingError(Problem("no disk")), CheckFailed(Problem("rows"))],
)
def test_what_no_setting_fixes_ends_it_and_the_trial_is_gone_on_with(
    small: SmallWorld, running: Callable[..., Runs], error: Exception
) -> None:
    running(lambda rate: error if rate == 1e-4 else 0.5)
    with pytest.raises(type(error)):
        run_until_target(wanted(small), progress=Quiet())
    assert [one["status"] for one in kept(small)["trials"]] == ["missed", "running"]
    runs = running(lambda _: 1.0)
    found = run_until_target(wanted(small), progress=Quiet())
    assert runs.rates == [1e-4, 1e-4]
    assert [one.status for one in found.trials] == ["missed", "met"]


def test_trials_of_another_target_are_laid_aside(small: SmallWorld, running: Callable[..., Runs]) -> None:
    running(lambda _: 1.0)
    run_until_target(wanted(small), progress=Quiet())
    before = small.read("runs/small/trials.json")
    run_until_target(wanted(small, "target.checks=0.5"), progress=Quiet())
    assert small.read("runs/small/trials.1.json") == before
    assert kept(small)["study"] != json.loads(before)["study"]


def test_a_search_ends_a_training_that_goes_worse(small: SmallWorld, running: Callable[..., Runs]) -> None:
    span = "sweep.settings={train.learning_rate: {from: 1e-6, to: 1e-3, log: true}}"
    search = (span, "sweep.search=optuna", "sweep.runs=4")
    running(lambda _: 0.5, [3.0, 2.0, 1.0])
    run_until_target(wanted(small, *search[:2], "sweep.runs=3"), progress=Quiet())
    # The courses lie in the run folders of real runs; here they are given.
    told = kept(small)
    told["trials"] = [one | {"losses": {"1": 3.0, "2": 2.0, "3": 1.0}} for one in told["trials"]]
    (small.project / "runs/small/trials.json").write_text(json.dumps(told), encoding="utf-8")
    running(lambda _: 0.9, [3.0, 9.0, 9.0])
    found = run_until_target(wanted(small, *search), progress=Quiet())
    last = found.trials[3]
    assert (last.status, last.losses) == ("pruned", {"1": 3.0, "2": 9.0})
    assert "pruned at step 2" in last.sentence


def test_trainings_end_early_unless_the_recipe_says_otherwise(small: SmallWorld) -> None:
    job = wanted(small).trial_job({"train.learning_rate": 1e-3})
    assert (job.recipe.train.plateau, job.recipe.train.early_stopping) == (0.2, None)
    job = wanted(small, "train.plateau=0", "data.validation_share=0.25").trial_job({})
    assert (job.recipe.train.plateau, job.recipe.train.early_stopping) == (0.0, 3)
    job = wanted(small, "train.save_steps=0").trial_job({})
    assert job.recipe.train.plateau == 0.0
