"""`conch prove`: runs the proofs of a run again, over the present files.

The plan is the one that was run (plan.json), so a recipe edited since has no effect. Nothing is rendered or
trained again: a chat template or a shard that was changed in the run folder is what is judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from orchestrator.execute.processes.progress import Progress
from orchestrator.execute.run_store.certify import Certificate, read_certificate
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.existing_run import Server, against_server, finished_run, read_plan, reopened
from orchestrator.execute.runner.rendered import as_found
from orchestrator.plan.plan import PROVE
from orchestrator.plan.stage import Plan, RenderedFile, Stage
from orchestrator.plan.stages.base import SERVED_PROOF
from orchestrator.proofs import OF_KINDS, PROOFS

# Stages that need a server.
SERVED = ("score", "prove_served")
# Tasks whose proof may be accepted although it does not hold.
_PROVING = ("tasks/prove_", "tasks/compare")


def prove(
    recipe: str,
    *,
    project: Path,
    progress: Progress,
    offline: bool,
    accept_mismatch: bool,
    server: Server | None = None,
) -> tuple[Run, Certificate]:
    """Prove a run (RECIPE or RECIPE/ID) again, and return it with its new certificate.

    `offline` skips the proofs that need a server; the others use `server`, or start one. `accept_mismatch`
    marks proofs that do not hold as accepted.
    """
    run = finished_run(project, recipe)
    plan = as_found(run.path, read_plan(run))
    plan = stages_of(plan, offline=offline, accept_mismatch=accept_mismatch, server=server)
    with reopened(run, plan, progress, f"proving run {run.name}") as perform:
        run.append_event({"event": "proving"})
        perform(plan.stages, again=True)
    return run, read_certificate(run.path, recipe=run.recipe)


def stages_of(plan: Plan, *, offline: bool, accept_mismatch: bool, server: Server | None) -> Plan:
    """The proving stages of a plan, under new names, so that the record of the run's own stages remains."""
    names = [name for name in PROVE if not (offline and name in SERVED)]
    stages = [_again(stage, server) for stage in plan.stages if stage.name in names]
    # What an earlier server returned proves nothing about the present files.
    all_proofs = (PROOFS | OF_KINDS).items()
    left_out = tuple(name for name, path in all_proofs if offline and path.startswith(SERVED_PROOF))
    changes: dict[str, dict[str, object]] = {"tasks/certify": {"left_out": list(left_out)}}
    if accept_mismatch:
        changes |= {start: {"accept_mismatch": True} for start in _PROVING}
    stages = [
        replace(stage, files=tuple(_changed(file, changes) for file in stage.files)) for stage in stages
    ]
    return replace(plan, stages=tuple(stages))


def _again(stage: Stage, server: Server | None) -> Stage:
    service, commands = stage.service, stage.commands
    if server is not None and service is not None:
        commands, service = against_server(commands, server, service.model), None
    # Every proof is reported: one that does not hold does not stop the next.
    return replace(
        stage,
        name=f"again-{stage.name}",
        commands=commands,
        service=service,
        gate=False,
    )


def _changed(file: RenderedFile, changes: Mapping[str, Mapping[str, object]]) -> RenderedFile:
    """A task's settings with some of them changed; changes: start of the path → settings."""
    for start, settings in changes.items():
        if file.path.startswith(start):
            text = json.dumps(json.loads(file.text) | settings, ensure_ascii=False, indent=2, sort_keys=True)
            return replace(file, text=text + "\n")
    return file
