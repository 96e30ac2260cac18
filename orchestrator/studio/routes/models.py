"""/v1/models: list, retrieve, delete; /v1/proofs/MODEL: the certificate of the model that answers."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from orchestrator.errors import ConchError
from orchestrator.execute.run_store.certify import read_certificate
from orchestrator.execute.run_store.listing import built_on, remove_run
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.studio.catalog import TunedModel, bases, find_model, run_of, tuned_models
from orchestrator.studio.context import ForInference, ForTraining, Here, Studio
from orchestrator.studio.errors import ApiError, Json, not_found, of_conch
from orchestrator.studio.job_queue import CANCELLED, FAILED, unfinished
from orchestrator.studio.keys import Caller

router = APIRouter(tags=["models"])


@router.get("/v1/models")
def list_models(here: Here, who: ForInference) -> Json:
    """The bases that can be tuned, and the caller's tuned models, which can be called."""
    shown = [_shown_base(name) for name in bases(here.project)]
    shown += [_shown(one) for one in tuned_models(here.project, here.store, who)]
    return Json({"object": "list", "data": shown})


@router.get("/v1/models/{model:path}")
def retrieve(model: str, here: Here, who: ForInference) -> Json:
    """One of them."""
    if model in bases(here.project):
        return Json(_shown_base(model))
    return Json(_shown(_found(here, who, model)))


@router.delete("/v1/models/{model:path}")
async def delete(model: str, here: Here, who: ForTraining) -> Json:
    """Delete a tuned model, with the run that made it; 409 while it is used, or another is built on it."""
    found = _found(here, who, model)
    if found.job is None:
        what = f"this model was made on the command line: delete its runs with conch rm {found.recipe}/ID"
        raise ApiError(400, what, code="not_a_studio_model", param="model")
    if here.servers.is_used(found.recipe):
        raise ApiError(409, "the model is answering a request", code="model_in_use", param="model")
    try:
        _refuse_needed(here, found)
        await here.servers.unload(found.recipe)
        for run in Run.all(here.project, found.recipe):
            remove_run(run)
    except ConchError as error:
        raise of_conch(error, param="model") from None
    here.store.change("jobs", found.recipe, ("succeeded",), deleted=True)
    return Json({"id": model, "object": "model", "deleted": True})


def _refuse_needed(here: Studio, model: TunedModel) -> None:
    """ApiError 409 if a model is built on it, or may be; a failed or cancelled job is over for good."""
    over = {str(job["id"]) for state in (CANCELLED, FAILED) for job in here.store.all("jobs", state=state)}
    needed = [
        name
        for run in Run.all(here.project, model.recipe)
        for name in built_on(run)
        if name.partition("/")[0] not in over
    ]
    needed += [str(job["id"]) for job in unfinished(here.store) if job["model"] == model.name]
    if needed:
        raise ApiError(409, f"needed by: {', '.join(needed)}", code="model_in_use", param="model")


@router.get("/v1/proofs/{model:path}")
def proofs(model: str, here: Here, who: ForInference) -> Response:
    """What was proven of a model, with the hashes of its files (docs/proofs.md)."""
    found = _found(here, who, model)
    try:
        return Json(read_certificate(run_of(here.project, found).path, recipe=found.recipe))
    except ConchError as error:
        raise of_conch(error, param="model") from None


def _found(here: Studio, who: Caller, name: str) -> TunedModel:
    found = find_model(here.project, here.store, who, name)
    if found is None:
        raise not_found("model", name)
    return found


def _shown(model: TunedModel) -> dict[str, object]:
    return {
        "id": model.name,
        "object": "model",
        "created": int(model.created),
        "owned_by": model.owner or "conch",
        "conch": {"kind": "tuned", "recipe": model.recipe},
    }


def _shown_base(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "base", "conch": {"kind": "base"}}
