"""`conch prove`: the proofs of a run once more, over the very files that are there now.

The plan is the one that was run (plan.json), so that a recipe edited since changes nothing. Nothing is
rendered or trained anew: a chat template or a shard that was changed in the run folder is what is judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine
from orchestrator.execute.processes import process
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.certify import read_certificate
from orchestrator.execute.run_store.run_folder import Run, hold
from orchestrator.execute.runner.loop import Loop
from orchestrator.execute.runner.run_plan import symbols_of
from orchestrator.plan.plan import PROVE
from orchestrator.plan.stage import Command, Plan, Stage
from orchestrator.plan.stages.base import SERVED_PROOF
from orchestrator.proofs import PROOFS

# What needs a server, and what only serves to ask one.
SERVED = ("score", "prove_served")
# Files that are judged as they are, not rendered.
KEPT = ("chat_template.jinja", "train.yaml", "vllm.yaml")


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up already, and is to be proven in place of one of our own."""

    url: str
    model: str


def prove(
    recipe: str,
    *,
    project: Path,
    progress: Progress,
    offline: bool,
    accept_mismatch: bool,
    server: Server | None = None,
) -> tuple[Run, dict[str, Any]]:
    """(the run, its new certificate).

    Args:
        recipe: a name, or RECIPE/ID.
        project: the folder that holds runs/.
        progress: is told what happens.
        offline: leave out what needs a server.
        accept_mismatch: a proof that does not hold is noted as accepted.
        server: prove this one; one of our own is started for the time when None.

    Raises:
        MissingError: there is no finished export, or an environment is missing.
        BusyError: another process works on this recipe.
        ConchError: a probe or the server failed.
    """
    run = finished_run(project, recipe)
    plan = stages_of(read_plan(run), offline=offline, accept_mismatch=accept_mismatch, server=server)
    with at_work(run, plan, progress, f"proving run {run.name}") as perform:
        run.append_event({"event": "proving"})
        perform(plan.stages, again=True)
    return run, read_certificate(run.path, recipe=run.recipe)


class Perform(Protocol):
    """Does stages of a run in turn; `again` does them whatever is known of them."""

    def __call__(self, stages: Sequence[Stage], *, again: bool = False) -> None:
        """Raises what the loop raises."""


@contextmanager
def at_work(run: Run, plan: Plan, progress: Progress, saying: str) -> Iterator[Perform]:
    """What every verb shares that does further stages of a run that was made: its lock, and no process left.

    Args:
        run: the run; its recipe is held meanwhile.
        plan: its plan, whose headline and recipe the stages go under.
        progress: is told what happens.
        saying: the first line of that.

    Raises:
        BusyError: another process works on this recipe. MissingError: an environment is missing.
    """
    symbols = symbols_of(places(run), run.project)
    with process.catch_signals(), hold(run.project, run.recipe):
        progress.say(saying)
        run_tag = process.new_run_tag(run.project, run.path)

        def perform(stages: Sequence[Stage], *, again: bool = False) -> None:
            mine = replace(plan, stages=tuple(stages))
            Loop(mine, run, symbols, {}, progress, run_tag, again=again).perform()

        with process.guarded(run_tag):
            yield perform


def at_server(commands: Iterable[Command], server: Server, model: str) -> tuple[Command, ...]:
    """Commands that ask this server, under the name it is known by, else `model`."""
    told = {"CONCH_SERVICE_URL": server.url, "CONCH_SERVICE_MODEL": server.model or model}
    return tuple(
        replace(one, env={**one.env, **told}, secrets=(*one.secrets, "CONCH_API_KEY")) for one in commands
    )


def finished_run(project: Path, recipe: str) -> Run:
    """The newest run of a recipe that finished an export, whatever became of its files since.

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
        MissingError: it is not there, or is another version's.
    """
    path = run.path / "plan.json"
    try:
        return Plan.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        what = "the run's plan cannot be read: another version of Conch may have made it"
        raise MissingError(Problem(what, str(path), f"conch sft {run.recipe}")) from None


def places(run: Run) -> dict[str, str]:
    """The environments of a run's hardware: "train" and "serve" → folder."""
    hardware = [event["hardware"] for event in run.events() if event.get("hardware")]
    profile = hardware[-1] if hardware else machine.hardware()
    return {name: str(registry.require(name, profile)) for name in registry.NAMES}


def stages_of(plan: Plan, *, offline: bool, accept_mismatch: bool, server: Server | None) -> Plan:
    """The proving stages of a plan, to be done again.

    Each has a name of its own, so that the run's record of what was trained stays as it was.
    """
    wanted = [name for name in PROVE if not (offline and name in SERVED)]
    stages = [stage for stage in plan.stages if stage.name in wanted]
    # What an earlier server said is no proof of the files that are here now.
    left_out = tuple(name for name, path in PROOFS.items() if offline and path.startswith(SERVED_PROOF))
    return replace(plan, stages=tuple(_again(stage, accept_mismatch, server, left_out) for stage in stages))


def _again(
    stage: Stage,
    accept_mismatch: bool,  # noqa: FBT001
    server: Server | None,
    left_out: tuple[str, ...],
) -> Stage:
    files = [file for file in stage.files if file.path not in KEPT]
    if stage.name == "certify":
        files = [replace(file, text=_with(file.text, left_out=list(left_out))) for file in files]
    if accept_mismatch:
        files = [replace(file, text=_accepting(file.text)) for file in files]
    commands: Iterable[Command] = stage.commands
    service = stage.service
    if server is not None and service is not None:
        commands = at_server(commands, server, service.model)
        service = None
    # All that is wrong is told: one refuted stage does not keep the next from being looked at.
    return replace(
        stage,
        name=f"again-{stage.name}",
        files=tuple(files),
        commands=tuple(commands),
        service=service,
        gate=False,
    )


def _with(text: str, **more: Any) -> str:
    return json.dumps(json.loads(text) | more, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _accepting(text: str) -> str:
    return _with(text, accept_mismatch=True) if "accept_mismatch" in json.loads(text) else text
