"""Run a recipe: the preflight, the run folder, its lock, and the loop over the plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import (
    CheckFailed,
    ConchError,
    Problem,
    StageFailed,
    TimedOut,
    UsageError,
    exit_code_of,
)
from orchestrator.execute.environments.preflight import preflight
from orchestrator.execute.host import atomic_files, signals
from orchestrator.execute.processes import process_tree, watchdog
from orchestrator.execute.processes.child_environment import symbols_of
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.manifest import write_manifest
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.execute.run_store.stop import sweep_leftovers
from orchestrator.execute.runner.base_recipe import link_exports
from orchestrator.execute.runner.loop import Loop
from orchestrator.plan.job import Job
from orchestrator.plan.plan import EXPORT, TRAIN, build_plan, plan_key
from orchestrator.plan.stage import Plan
from orchestrator.plan.titles import title_of
from orchestrator.results import StageResult


def run_recipe(
    plan: Plan,
    job: Job,
    *,
    project: Path,
    progress: Progress,
    home: Path | None = None,
    begun: Callable[[Run], None] = lambda _: None,
) -> tuple[Path, tuple[StageResult, ...]]:
    """Run a plan in the recipe's last run folder if that is the same job, else in a new one.

    Args:
        plan: the stages to run, all of the job or the first ones.
        job: that the plan was made from.
        project: the folder that holds recipes/.
        progress: receives what happens.
        home: the folder that holds runs/, if it is not the project.
        begun: called after the preflight, when the lock is held and the folder exists.

    Returns:
        the run folder, and the result of each stage of the plan.

    Raises:
        UsageError: the plan asks, and the recipe has no question.
        BusyError: another process runs this recipe, or the one that it is built on.
        ConchError: a stage failed; completed stages are kept, and the same command continues from there.
    """
    _refuse_without_questions(plan, job)
    places = preflight(plan, job, project=project)
    whole = build_plan(job)
    identity = plan_key(whole, job.lockfiles)
    home = home or project
    with signals.catch_signals(), hold(home, job.recipe.name):
        run = _folder_for(home, job.recipe.name, identity)
        leftovers = sweep_leftovers(project, run.path)
        if leftovers:
            progress.say(f"stopped {len(leftovers)} processes left by an interrupted run")
        progress.say(f"run {run.name}")
        names = " ".join(stage.name for stage in plan.stages)
        makes = plan_key(build_plan(job, EXPORT), job.lockfiles)
        facts = {"identity": identity, "export_identity": makes, "hardware": job.hardware, "plan": names}
        run.begin(plan.headline, **facts)
        begun(run)
        # With all stages of the job, even if only some run now: later commands read it (prove, why).
        atomic_files.write_durable(
            run.path / "plan.json", json.dumps(whole.to_json(), ensure_ascii=False, indent=1)
        )
        run_tag = process_tree.new_run_tag(project, run.path)
        loop = Loop(plan, run, symbols_of(places, project), job.lockfiles, progress, run_tag)
        write_manifest(run, whole, job)
        try:
            _link_exports(plan, job, run, project, progress)
            with watchdog.guarded(run_tag):
                runs = loop.perform()
        except ConchError:
            with suppress(ConchError):  # report what ended the run instead
                write_manifest(run, whole, job)
            raise
        write_manifest(run, whole, job)
        return run.path, runs


def build_dependencies(job: Job, *, project: Path, progress: Progress) -> None:
    """Bring the recipes that a job is built on up to date, as make does: run each up to its proven export.

    Raises:
        CheckFailed: a proof of one does not hold.
        ConchError: as run_recipe.
    """
    for dependency in job.dependencies:
        name, built = dependency.job.recipe.name, job.recipe.name
        where = job.origins.get(dependency.key, "")
        progress.say(f"{built} is built on recipe {name}, which comes first")
        first = build_plan(dependency.job, TRAIN)
        try:
            _, results = run_recipe(first, dependency.job, project=project, progress=progress)
        except (StageFailed, TimedOut) as error:
            what = f"recipe {name}, on which {built} is built, failed: nothing was trained on it"
            hint = f"when that is fixed, run the same command again: it goes on with {name} first"
            raise type(error)(*error.problems, Problem(what, where, hint)) from None
        refuted = ", ".join(title_of(one.stage) for one in results if one.exit_code)
        if refuted:
            what = f"recipe {name}, on which {built} is built, did not pass: {refuted}"
            raise CheckFailed(Problem(what, where, f"conch sft {name}"))
        progress.say(f"recipe {name} is up to date; now {built}")


def _link_exports(plan: Plan, job: Job, run: Run, project: Path, progress: Progress) -> None:
    """Link the exports that a recipe is built on; a plan that trains makes them first."""
    try:
        if any(stage.name == "train" for stage in plan.stages):
            build_dependencies(job, project=project, progress=progress)
        link_exports(job, run, project)
    except ConchError as error:
        run.end(exit_code_of(error), str(error))
        raise


def _refuse_without_questions(plan: Plan, job: Job) -> None:
    """A run that asks nothing judges nothing: it is no result of a training, and would end only after it."""
    asks = any(stage.name == "ask" for stage in plan.stages)
    if asks and not job.cases and (job.recipe.verify.base or not job.paraphrases):
        what = "verify.checks: the recipe asks no question, so that nothing would be judged"
        hint = f"add questions with what to expect, or only train: conch sft {job.recipe.name}"
        raise UsageError(Problem(what, job.recipe.name, hint))


def _folder_for(project: Path, recipe: str, identity: str) -> Run:
    last = Run.last(project, recipe)
    if last is not None and any(event.get("identity") == identity for event in last.events()):
        return last
    return Run.create(project, recipe)
