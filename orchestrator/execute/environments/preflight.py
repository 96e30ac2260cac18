"""What must be there before a run's first second of work: environments, and room on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.environments import registry
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Runtime, Plan

# Of the base model's size: itself, the export, and the export being written. A base of unknown size counts as
# the smallest that people fine-tune. What a run writes besides is small, but for checkpoints of every weight:
# two are kept while a third is written, each with an optimizer's state of twice the weights.
_COPIES = 3
_CHECKPOINTS = 9
_SMALLEST_BASE = 600 << 20


def preflight(plan: Plan, job: Job, *, project: Path) -> dict[str, str]:
    """Look for all that is missing, at once.

    Returns:
        the symbols of the engine environments that the plan uses: "train" and "serve" → folder.

    Raises:
        MissingError: an environment is not there, or the disk is too full.
    """
    problems: list[Problem] = []
    places: dict[str, str] = {}
    for place in sorted(_places(plan)):
        try:
            places[place.value] = str(registry.require(place.value, job.hardware))
        except MissingError as error:
            problems += error.problems
    problems += _disk(project, job)
    if problems:
        raise MissingError(*problems)
    return places


def _places(plan: Plan) -> set[Runtime]:
    services = [stage.service.command for stage in plan.stages if stage.service]
    commands = [command for stage in plan.stages for command in stage.commands]
    return {command.place for command in [*services, *commands]} - {Runtime.CONCH}


def _disk(project: Path, job: Job) -> list[Problem]:
    copies = _COPIES
    if job.recipe.train.method == "full" and job.recipe.train.checkpoint_steps:
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
