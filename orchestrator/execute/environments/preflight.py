"""What a run needs before it starts: environments and disk space."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry
from orchestrator.execute.processes.confinement import confinement
from orchestrator.plan.job import Job
from orchestrator.plan.stage import BELOW_FLOOR, Plan

# In units of the base model's size: the base, the export, and the export being written. A base of unknown size
# counts as the smallest common one. Checkpoints of full training add up: two are kept while a third is
# written, each with an optimizer state of twice the weights.
_COPIES = 3
_CHECKPOINTS = 9
_SMALLEST_BASE = 600 << 20


def preflight(plan: Plan, job: Job, *, project: Path) -> dict[str, str]:
    """The engine environments that a plan uses; MissingError names everything that is missing at once."""
    problems: list[Problem] = []
    environments: dict[str, str] = {}
    for runtime in plan.runtimes:
        try:
            environments[runtime.value] = str(registry.require(runtime.value, job.hardware))
        except MissingError as error:
            problems += error.problems
    problems += [*_networked(plan), *_disk(project, job)]
    if problems:
        raise MissingError(*problems)
    return environments


def _networked(plan: Plan) -> Iterator[Problem]:
    """The environments below the security floor, where they would have the network."""
    for runtime in (one for one in plan.runtimes if one in BELOW_FLOOR):
        if not (found := confinement()).way:
            what = f"the environment {runtime} runs only without network, which cannot be taken from it here"
            yield Problem(f"{what}: {found.reason}", hint="conch doctor says what is missing")


def _disk(project: Path, job: Job) -> list[Problem]:
    copies = _COPIES
    if job.recipe.train.method == "full" and job.checkpoint_steps:
        copies += _CHECKPOINTS
    free, needed = shutil.disk_usage(project).free, copies * _base_size(project, job)
    if free >= needed:
        return []
    what = f"{free / 1e9:.1f} GB are free, a run needs at least {needed / 1e9:.1f} GB"
    return [Problem(what, where=str(project), hint="free space, or remove old runs: conch runs ls, conch rm")]


def _base_size(project: Path, job: Job) -> int:
    """Bytes of the base's weights, where it is a folder that is here."""
    folder = Path(job.base_folder.replace("{project}", str(project))) if job.base_folder else None
    weights = folder.glob("*.safetensors") if folder is not None and folder.is_dir() else ()
    return max(_SMALLEST_BASE, sum(path.stat().st_size for path in weights))
