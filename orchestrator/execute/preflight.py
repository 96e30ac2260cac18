"""What must be there before a run's first second of work: environments, and room on the disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute import environments
from orchestrator.job import Job
from orchestrator.stage import Place, Plan

# Of the base model's size: itself, the export, and the export being written. A base of unknown size counts as
# the smallest that people fine-tune. What a run writes besides is small.
_COPIES = 3
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
            places[place.value] = str(environments.require(place.value, job.hardware))
        except MissingError as error:
            problems += error.problems
    problems += _disk(project)
    if problems:
        raise MissingError(*problems)
    return places


def _places(plan: Plan) -> set[Place]:
    services = [stage.service.command for stage in plan.stages if stage.service]
    commands = [command for stage in plan.stages for command in stage.commands]
    return {command.place for command in [*services, *commands]} - {Place.CONCH}


def _disk(project: Path) -> list[Problem]:
    free, needed = shutil.disk_usage(project).free, _COPIES * _SMALLEST_BASE
    if free >= needed:
        return []
    what = f"{free / 1e9:.1f} GB are free, a run needs at least {needed / 1e9:.1f} GB"
    return [Problem(what, where=str(project), mend="free space, or remove old runs under runs/")]
