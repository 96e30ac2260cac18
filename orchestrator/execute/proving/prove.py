"""`conch prove`: the proofs of a run once more, over the very files that are there now.

The plan is the one that was run (plan.json), so that a recipe edited since changes nothing. Nothing is
rendered or trained anew: a chat template or a shard that was changed in the run folder is what is judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.backends.engines import CONFIG
from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.certify import read_certificate
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import Server, against_server, finished_run, read_plan, reopened
from orchestrator.plan.plan import PROVE
from orchestrator.plan.stage import Command, Plan, Stage
from orchestrator.plan.stages.base import SERVED_PROOF
from orchestrator.proofs import PROOFS

# What needs a server, and what only serves to ask one.
SERVED = ("score", "prove_served")
# Files that are judged as they are, not rendered.
KEPT = ("chat_template.jinja", "train.yaml", CONFIG)


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
    with reopened(run, plan, progress, f"proving run {run.name}") as perform:
        run.append_event({"event": "proving"})
        perform(plan.stages, again=True)
    return run, read_certificate(run.path, recipe=run.recipe)


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
        commands = against_server(commands, server, service.model)
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
