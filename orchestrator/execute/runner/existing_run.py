"""A run that was made before: finding it, reading its plan, and running further stages in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine, signals
from orchestrator.execute.host.atomic_files import read_regular
from orchestrator.execute.processes import process_tree, watchdog
from orchestrator.execute.processes.child_environment import symbols_of
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.project.endpoint import gives_no_answers
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold
from orchestrator.execute.runner.loop import Loop
from orchestrator.plan.stage import Command, Plan, Stage


@dataclass(frozen=True, slots=True)
class Server:
    """A running server to ask instead of one that Conch starts."""

    url: str
    model: str


class Perform(Protocol):
    """Runs stages in a run folder in turn; with `again`, cached or not."""

    def __call__(self, stages: Sequence[Stage], *, again: bool = False) -> None:
        """Raises what the loop raises."""


@contextmanager
def reopened(run: Run, plan: Plan, progress: Progress, message: str) -> Iterator[Perform]:
    """Hold a finished run's lock to run further stages in it; leave no process.

    Args:
        run: the run.
        plan: its plan; the stages take its headline and recipe.
        progress: receives what happens.
        message: its first line.

    Raises:
        BusyError: another process works on this recipe. MissingError: an environment is missing.
    """
    symbols = symbols_of(runtimes_of(run, plan), run.project)
    with signals.catch_signals(), hold(run.project, run.recipe):
        progress.say(message)
        run_tag = process_tree.new_run_tag(run.project, run.path)

        def perform(stages: Sequence[Stage], *, again: bool = False) -> None:
            mine = replace(plan, stages=tuple(stages))
            Loop(mine, run, symbols, {}, progress, run_tag, again=again).perform()

        with watchdog.guarded(run_tag):
            yield perform


def against_server(commands: Iterable[Command], server: Server, model: str) -> tuple[Command, ...]:
    """The commands, asking this server for its model, or for `model` if it names none."""
    variables = {"CONCH_SERVICE_URL": server.url, "CONCH_SERVICE_MODEL": server.model or model}
    return tuple(
        replace(one, env={**one.env, **variables}, secrets=(*one.secrets, "CONCH_API_KEY"))
        for one in commands
    )


def finished_run(project: Path, recipe: str) -> Run:
    """The newest run of a recipe with a completed export, even if its files have changed since.

    Raises:
        MissingError: there is none.
    """
    name, _, number = recipe.partition("/")
    runs = [Run.open(project, recipe)] if number else Run.all(project, name)
    for run in reversed(runs):
        if run.stage_record("export") is not None:
            return run
    where = str(project / "runs" / name)
    raise MissingError(Problem(f"{name} has no finished export", where, f"conch sft {name}"))


def read_plan(run: Run) -> Plan:
    """The whole plan that a run was made by.

    Raises:
        MissingError: it is missing, or from another version.
    """
    path = run.path / "plan.json"
    try:
        return Plan.from_json(json.loads(read_regular(path)))
    except (OSError, ValueError, KeyError, TypeError):
        what = "the run's plan cannot be read: another version of Conch may have made it"
        raise MissingError(Problem(what, str(path), f"conch sft {run.recipe}")) from None


def answering_plan(run: Run) -> Plan:
    """As read_plan; UsageError for that of a reward model, which answers no questions."""
    plan = read_plan(run)
    if any(stage.service and stage.service.scores for stage in plan.stages):
        raise gives_no_answers(run.recipe)
    return plan


def runtimes_of(run: Run, plan: Plan) -> dict[str, str]:
    """The environments of a run's plan, for its hardware profile: "train", "serve", … → folder."""
    hardware = [event["hardware"] for event in run.events() if event.get("hardware")]
    profile = hardware[-1] if hardware else machine.hardware()
    names = dict.fromkeys((*registry.NAMES, *(one.value for one in plan.runtimes)))
    return {name: str(registry.require(name, profile)) for name in names}
