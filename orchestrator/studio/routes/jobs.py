"""/v1/fine_tuning/jobs: create, list, retrieve, cancel, pause, resume, events, checkpoints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.datasets.base import PURPOSES
from orchestrator.errors import ConchError
from orchestrator.execute.run_store.listing import Standing, summary_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.plan.kinds import KINDS
from orchestrator.studio import job_facts
from orchestrator.studio.catalog import (
    bases,
    began,
    command_line_recipes,
    served_by,
    served_name,
    tuned_models,
)
from orchestrator.studio.context import ForTraining, Here, Studio
from orchestrator.studio.errors import ApiError, Json, not_found, of_conch
from orchestrator.studio.job_queue import QUEUED, unfinished
from orchestrator.studio.job_recipe import AUTO, METHODS, JobRequest, write_recipe
from orchestrator.studio.keys import OWNER, Caller
from orchestrator.studio.routes.files import file_of
from orchestrator.studio.store import Record, new_id, now, page
from orchestrator.studio.uploads import content_path

router = APIRouter(prefix="/v1/fine_tuning/jobs", tags=["fine-tuning"])
# A run of the command line, as the id of a job: ftjob-RECIPE-RUN.
_OF_RUN = re.compile(r"ftjob-([a-z0-9][a-z0-9._-]*)-(\d{8}-\d{6}-[0-9a-f]{4})")
_STATES = {
    Standing.NEW: "queued",
    Standing.RUNNING: "running",
    Standing.DONE: "succeeded",
    Standing.REFUTED: "failed",
    Standing.FAILED: "failed",
    Standing.STOPPED: "paused",
    Standing.INTERRUPTED: "paused",
}
Auto = Literal["auto"]


class Hyperparameters(BaseModel):
    """How long and how fast it trains."""

    model_config = ConfigDict(extra="forbid")
    n_epochs: Annotated[int, Field(ge=1, le=1000)] | Auto = "auto"
    batch_size: Annotated[int, Field(ge=1, le=4096)] | Auto = "auto"
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=100)] | Auto = "auto"
    beta: Annotated[float, Field(gt=0, le=100)] | Auto = "auto"


class JobBody(BaseModel):
    """OpenAI's request for a job. `method` is {"type": T, T: {"hyperparameters": {…}}}."""

    model_config = ConfigDict(extra="forbid")
    model: Annotated[str, Field(max_length=512)]
    training_file: Annotated[str, Field(max_length=64)]
    validation_file: Annotated[str, Field(max_length=64)] | None = None
    hyperparameters: Hyperparameters | None = None
    method: dict[str, object] | None = None
    suffix: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")] | None = None
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    integrations: Annotated[list[object], Field(max_length=0)] | None = None

    def chosen(self) -> tuple[str, Hyperparameters]:
        """The method's name, and its hyperparameters."""
        if self.method is None:
            return "supervised", self.hyperparameters or Hyperparameters()
        name = self.method.get("type")
        if not isinstance(name, str) or name not in METHODS:
            what = f"method.type: must be one of {', '.join(METHODS)}"
            raise ApiError(400, what, code="invalid_value", param="method")
        own = self.method.get(name)
        given = own.get("hyperparameters") if isinstance(own, dict) else None
        if given is None:
            return name, self.hyperparameters or Hyperparameters()
        try:
            return name, Hyperparameters.model_validate(given)
        except ValueError as error:
            what = f"method.{name}.hyperparameters: {error}"
            raise ApiError(400, what, code="invalid_value", param="method") from None


@router.post("")
def create(body: JobBody, here: Here, who: ForTraining) -> Json:
    """Queue a training of a base, or of a tuned model, on an uploaded file."""
    if who.limits.jobs and len(unfinished(here.store, (who.name,))) >= who.limits.jobs:
        what = f"You have {who.limits.jobs} jobs that are not over, which is your limit."
        raise ApiError(429, what, code="too_many_jobs", retry_after=60)
    record = _new_job(body, here, who)
    here.store.put("jobs", record)
    here.queue.wake()
    return Json(job_facts.shown_job(record))


def _new_job(body: JobBody, here: Studio, who: Caller) -> Record:
    method, chosen = body.chosen()
    kind, name = METHODS[method], new_id("ftjob")
    base, extends, root = _base(body.model, here, who)
    training = _file_for(kind, body.training_file, "training_file", here, who)
    validation = body.validation_file
    if validation:
        _file_for(kind, validation, "validation_file", here, who)
    request = JobRequest(
        name=name,
        served=served_name(root, body.suffix or "", name),
        base=base,
        extends=extends,
        kind=kind,
        purpose=KINDS[kind].purpose,
        training=body.training_file,
        path=content_path(here.project, training),
        validation=validation or "",
        epochs=chosen.n_epochs,
        batch_size=chosen.batch_size,
        rate_multiplier=chosen.learning_rate_multiplier,
        beta=chosen.beta,
        seed=42 if body.seed is None else body.seed,
    )
    try:
        hyperparameters, stages = write_recipe(here.project, request)
    except ConchError as error:
        raise of_conch(error, param="training_file") from None
    return {
        "id": name,
        "owner": who.name,
        "created_at": now(),
        "state": QUEUED,
        "wish": "",
        "starts": 0,
        "model": body.model,
        "root": root,
        "extends": extends,
        "served": request.served,
        "method": method,
        "hyperparameters": hyperparameters,
        "training_file": body.training_file,
        "validation_file": validation,
        "suffix": body.suffix,
        "seed": request.seed,
        "metadata": body.metadata,
        "stages": list(stages),
        "started_at": None,
        "finished_at": None,
        "error": None,
        "result_files": [],
    }


def _base(model: str, here: Studio, who: Caller) -> tuple[str, str, str]:
    """What a recipe calls the model, the recipe to extend, and the base at the root."""
    known = bases(here.project)
    if model in known:
        return model, known[model], model
    for one in tuned_models(here.project, here.store, who):
        if one.name == model:
            if one.job:
                return f"recipe:{one.recipe}", str(one.job["extends"]), str(one.job["root"])
            return f"recipe:{one.recipe}", one.recipe, one.name
    message = (
        f"The model `{model}` does not exist. Models that can be tuned: {', '.join(known)}, and your own; "
        "for another base, write a recipe in recipes/ that names it."
    )
    raise ApiError(404, message, code="model_not_found", param="model")


def _file_for(kind: str, name: str, param: str, here: Studio, who: Caller) -> Record:
    """A file whose rows this kind of training can use."""
    record = file_of(here, who, name, param=param)
    rows, wanted = str(record.get("row_purpose", "")), KINDS[kind].purpose
    if rows != wanted:
        found = PURPOSES[rows][0] if rows else "the results of a job"
        what = f"{param}: its rows are {found}, but {PURPOSES[wanted][0]} are needed for {kind}"
        raise ApiError(400, what, code="invalid_file_format", param=param)
    return record


@router.get("")
def list_jobs(
    here: Here, who: ForTraining, after: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 20
) -> Json:
    """The caller's jobs, the newest first; for an admin with the runs of the command line."""
    records = here.store.all("jobs", who.owners)
    if OWNER in who.owners:
        records += _of_command_line(here)
    records.sort(key=lambda one: float(str(one["created_at"])), reverse=True)
    return Json(page(records, job_facts.shown_job, after=after, limit=limit))


@router.get("/{job_id}")
def retrieve(job_id: str, here: Here, who: ForTraining) -> Json:
    """One job."""
    return Json(job_facts.shown_job(_job(here, who, job_id)))


@router.get("/{job_id}/events")
def list_events(
    job_id: str,
    here: Here,
    who: ForTraining,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> Json:
    """What happened, the newest first."""
    job = _job(here, who, job_id)
    return Json(page(job_facts.events(job, _run(here, job)), dict, after=after, limit=limit))


@router.get("/{job_id}/checkpoints")
def list_checkpoints(
    job_id: str,
    here: Here,
    who: ForTraining,
    after: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 10,
) -> Json:
    """The checkpoints that are kept: the last two. `conch chat JOB --checkpoint STEP` talks to one."""
    job = _job(here, who, job_id)
    return Json(page(job_facts.checkpoints(job, _run(here, job)), dict, after=after, limit=limit))


@router.post("/{job_id}/cancel")
def cancel(job_id: str, here: Here, who: ForTraining) -> Json:
    """End a job that is not over."""
    return _asked(here, who, job_id, "cancelled", here.queue.cancel)


@router.post("/{job_id}/pause")
def pause(job_id: str, here: Here, who: ForTraining) -> Json:
    """Let a job save a checkpoint and stop."""
    return _asked(here, who, job_id, "paused", here.queue.pause)


@router.post("/{job_id}/resume")
def resume(job_id: str, here: Here, who: ForTraining) -> Json:
    """Put a paused job back into the queue; its training goes on from its checkpoint."""
    return _asked(here, who, job_id, "resumed", here.queue.resume)


def _asked(here: Studio, who: Caller, name: str, verb: str, ask: Callable[[str], Record | None]) -> Json:
    job = _job(here, who, name)
    if _OF_RUN.fullmatch(name):
        what = "this run was started on the command line: use conch stop, and conch run to go on"
        raise ApiError(400, what, code="not_a_studio_job")
    changed = ask(name)
    if changed is None:
        raise ApiError(400, f"the job is {job['state']}: it cannot be {verb}", code="invalid_state")
    return Json(job_facts.shown_job(changed))


def _job(here: Studio, who: Caller, name: str) -> Record:
    found = here.store.get("jobs", name, who.owners)
    of_run = _OF_RUN.fullmatch(name)
    if found is None and of_run and OWNER in who.owners:
        recipe, number = of_run.groups()
        if recipe in command_line_recipes(here.project, here.store):
            runs = Run.all(here.project, recipe)
            found = next((_of_run(run) for run in runs if run.id == number), None)
    if found is None:
        raise not_found("job", name)
    return found


def _run(here: Studio, job: Mapping[str, object]) -> Run | None:
    found = _OF_RUN.fullmatch(str(job["id"]))
    if found:
        return Run.open(here.project, f"{found[1]}/{found[2]}")
    return Run.last(here.project, str(job["id"]))


def _of_command_line(here: Studio) -> Sequence[Record]:
    names = command_line_recipes(here.project, here.store)
    return [_of_run(run) for name in names for run in Run.all(here.project, name)]


def _of_run(run: Run) -> Record:
    """A run of the command line in the shape of a job."""
    found = summary_of(run)
    failed = found.standing in (Standing.REFUTED, Standing.FAILED)
    over = failed or found.standing is Standing.DONE
    return {
        "id": f"ftjob-{run.recipe}-{run.id}",
        "owner": OWNER,
        "created_at": began(run),
        "state": _STATES[found.standing],
        "model": f"recipe:{run.recipe}",
        "served": served_by(run),
        "method": "supervised",
        "hyperparameters": {"n_epochs": AUTO, "batch_size": AUTO, "learning_rate_multiplier": AUTO},
        "training_file": run.recipe,
        "validation_file": None,
        "suffix": None,
        "seed": 0,
        "metadata": None,
        "finished_at": job_facts.time_of(found.ended) if over else None,
        "error": {"code": "run_failed", "message": found.reason, "param": None} if failed else None,
        "result_files": [],
    }
