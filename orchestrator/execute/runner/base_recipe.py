"""A base that another recipe exports (`model.base: recipe:NAME`): finding it, and linking it in a run."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host.atomic_files import remove
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.hubs.recipe import LINK, recipe_of
from orchestrator.plan.job import Job


def exported(job: Job, project: Path) -> Path:
    """The export of the recipe that a job is built on, made from that recipe as it is now.

    Raises:
        MissingError: there is none.
    """
    name = recipe_of(job.recipe.model.base)
    for run in reversed(Run.all(project, name)):
        made = any(event.get("export_identity") == job.base_state for event in run.events())
        if made and run.stage_record("export") is not None and (run.path / "export").is_dir():
            return run.path / "export"
    what = f"recipe {name}, on which {job.recipe.name} is built, has no export of its present settings"
    raise MissingError(Problem(what, job.origins.get("model.base", ""), f"conch sft {name}"))


def link_base(job: Job, run: Run, project: Path) -> None:
    """Link the export of the recipe that a job is built on in a run's folder; nothing for any other base."""
    if job.base_job is None:
        return
    target = exported(job, project)
    link = run.path / LINK
    remove(link)
    link.symlink_to(target, target_is_directory=True)
