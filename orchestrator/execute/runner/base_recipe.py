"""Exports that a recipe is built on (`recipe:NAME`): finding them, and linking them in a run."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host.atomic_files import remove
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.plan.job import Dependency, Job


def exported(dependency: Dependency, job: Job, project: Path) -> Path:
    """The export of a recipe that a job is built on, made from that recipe as it is now.

    Raises:
        MissingError: there is none.
    """
    name = dependency.job.recipe.name
    for run in reversed(Run.all(project, name)):
        made = any(event.get("export_identity") == dependency.state for event in run.events())
        if made and run.stage_record("export") is not None and (run.path / "export").is_dir():
            return run.path / "export"
    what = f"recipe {name}, on which {job.recipe.name} is built, has no export of its present settings"
    raise MissingError(Problem(what, job.origins.get(dependency.key, ""), f"conch sft {name}"))


def link_exports(job: Job, run: Run, project: Path) -> None:
    """Link the exports of the recipes that a job is built on in a run's folder."""
    for dependency in job.dependencies:
        target = exported(dependency, job, project)
        link = run.path / dependency.link
        remove(link)
        link.symlink_to(target, target_is_directory=True)
