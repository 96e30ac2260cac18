"""Which models there are: bases that can be tuned, and tuned models that can be called.

A base is what a recipe in recipes/ names, on any hardware profile: its template is known from there. A tuned
model is that of a finished job, or the newest proven export of a recipe of the command line.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.errors import ConchError
from orchestrator.execute.data.importer import BASES
from orchestrator.execute.project import recipes
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_paths import recipes_of
from orchestrator.execute.runner.existing_run import finished_run, read_plan
from orchestrator.hubs.recipe import recipe_of
from orchestrator.plan.stages.base import CERTIFICATE
from orchestrator.recipe import compose
from orchestrator.recipe.hardware import PROFILES
from orchestrator.studio.keys import OWNER, Caller
from orchestrator.studio.store import Record, Store


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A model that can be called.

    Attributes:
        name: for clients. owner: whose it is. created: seconds since 1970.
        recipe: whose newest good export it is. job: the record of the job; None for the command line's.
    """

    name: str
    owner: str
    created: float
    recipe: str
    job: Record | None = None


def bases(project: Path) -> dict[str, str]:
    """Base model → the recipe whose template it is tuned with; a recipe that cannot be read names none."""
    known = sorted(recipes.names(project))
    found: dict[str, str] = {}
    for name in [*(one for one in BASES if one in known), *(one for one in known if one not in BASES)]:
        try:
            chain = recipes.load_chain(recipes.find(name, project), project)
            read = [compose(chain, profile=profile).recipe for profile in PROFILES]
        except ConchError:
            continue
        for recipe in read:
            if recipe.train.kind == "sft" and not recipe_of(recipe.model.base):
                found.setdefault(recipe.model.base, name)
    return found


def served_name(base: str, suffix: str, job: str) -> str:
    """The name of a tuned model: ft:BASE:SUFFIX:ID.

    >>> served_name("./models/mine", "faq", "ftjob-0123456789abcdef01234567")
    'ft:mine:faq:01234567'
    """
    plain = base.rstrip("/").rpartition("/")[2] if base.startswith((".", "/")) else base
    return f"ft:{plain}:{suffix}:{job[-8:]}"


def tuned_models(project: Path, store: Store, who: Caller) -> list[TunedModel]:
    """The models that a caller can use, the oldest first."""
    found = [
        _of_job(job) for job in store.all("jobs", who.owners, state="succeeded") if not job.get("deleted")
    ]
    if OWNER in who.owners:
        found += _of_command_line(project, store)
    return sorted(found, key=lambda one: one.created)


def find_model(project: Path, store: Store, who: Caller, name: str) -> TunedModel | None:
    """One of them, by its name: what every request for an answer looks up."""
    if name.startswith("ft:"):
        for job in store.ending("jobs", name.rpartition(":")[2]):
            if job["served"] == name and job["owner"] in who.owners:
                return _of_job(job) if job["state"] == "succeeded" and not job.get("deleted") else None
    if OWNER not in who.owners:
        return None
    return next((one for one in _of_command_line(project, store) if one.name == name), None)


def run_of(project: Path, model: TunedModel) -> Run:
    """The run whose export a model is; MissingError if it is gone."""
    return finished_run(project, model.recipe)


def began(run: Run) -> float:
    """When a run was made, by its id."""
    return datetime.strptime(run.id[:15] + "+0000", "%Y%m%d-%H%M%S%z").timestamp()


def _of_job(job: Record) -> TunedModel:
    return TunedModel(
        str(job["served"]), str(job["owner"]), float(str(job["finished_at"])), str(job["id"]), job
    )


def command_line_recipes(project: Path, store: Store) -> list[str]:
    """The recipes with runs that are no job's."""
    jobs = {str(job["id"]) for job in store.all("jobs")}
    return [name for name in recipes_of(project) if name not in jobs]


def _of_command_line(project: Path, store: Store) -> list[TunedModel]:
    """The newest proven export of each recipe of the command line."""
    found = []
    for name in command_line_recipes(project, store):
        if any((run.path / CERTIFICATE).is_file() for run in Run.all(project, name)):
            run = finished_run(project, name)
            found.append(TunedModel(served_by(run), OWNER, began(run), name))
    return found


def served_by(run: Run) -> str:
    """The model name that a run's server answers to."""
    try:
        service = read_plan(run).stage("ask").service
    except (ConchError, KeyError):
        service = None
    return service.model if service else run.recipe
