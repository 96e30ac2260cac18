"""/v1/feedback: what people think of answers, kept as rows that KTO and DPO train on."""

from __future__ import annotations

from typing import Annotated, Literal

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from orchestrator.studio.context import ForInference, Here, Studio
from orchestrator.studio.errors import ApiError, Json, not_found
from orchestrator.studio.keys import Caller
from orchestrator.studio.store import Record, new_id, now, page, seconds

router = APIRouter(prefix="/v1/feedback", tags=["feedback"])


class Turn(BaseModel):
    """One message."""

    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Field(min_length=1)]


class FeedbackBody(BaseModel):
    """An answer, by its id or with its texts, and what is thought of it."""

    model_config = ConfigDict(extra="forbid")
    completion_id: Annotated[str, Field(max_length=200)] | None = None
    messages: Annotated[list[Turn], Field(min_length=1)] | None = None
    completion: Annotated[str, Field(min_length=1)] | None = None
    rating: Literal["good", "bad"] | None = None
    better: Annotated[str, Field(min_length=1)] | None = None


@router.post("")
def add(body: FeedbackBody, here: Here, who: ForInference) -> Json:
    """Say that an answer is good or bad, or give a better one."""
    if body.rating is None and body.better is None:
        raise ApiError(
            400, "give a rating, or a better answer", code="missing_required_parameter", param="rating"
        )
    if body.rating == "good" and body.better is not None:
        raise ApiError(
            400, "an answer that is good needs no better one", code="invalid_value", param="better"
        )
    texts = _kept(body.completion_id, here, who) if body.completion_id else _given(body)
    record: Record = {"id": new_id("fb"), "owner": who.name, "created_at": now(), **texts}
    record |= {"completion_id": body.completion_id, "rating": body.rating or "bad", "better": body.better}
    here.store.put("feedback", record)
    return Json(_shown(record))


def _given(body: FeedbackBody) -> Record:
    if not body.messages or not body.completion:
        what = "give a completion_id, or messages and completion"
        raise ApiError(400, what, code="missing_required_parameter", param="completion_id")
    if body.messages[-1].role != "user":
        raise ApiError(
            400, "messages: the last one must be the user's", code="invalid_value", param="messages"
        )
    return {
        "messages": [one.model_dump() for one in body.messages],
        "completion": body.completion,
        "model": None,
    }


def _kept(name: str, here: Studio, who: Caller) -> Record:
    if not here.settings.keep_completions:
        what = "completions are not kept here (conch studio --keep-completions): send messages and completion"
        raise ApiError(400, what, code="completions_not_kept", param="completion_id")
    found = here.store.get("completions", name, (who.name,))
    if found is None:
        raise not_found("completion", name)
    return {key: found[key] for key in ("messages", "completion", "model")}


@router.get("")
def list_feedback(
    here: Here, who: ForInference, after: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> Json:
    """The caller's feedback, the newest first."""
    found = here.store.all("feedback", who.owners, descending=True)
    return Json(page(found, _shown, after=after, limit=limit))


@router.get("/export")
def export(
    here: Here, who: ForInference, purpose: Annotated[Literal["kto", "dpo"], Query()] = "kto"
) -> Response:
    """The caller's feedback as JSON lines, which can be uploaded and trained on."""
    rows = [row for one in here.store.all("feedback", who.owners) for row in _rows(one, purpose)]
    return Response(b"".join(orjson.dumps(row) + b"\n" for row in rows), media_type="application/jsonl")


@router.delete("/{feedback_id}")
def delete(feedback_id: str, here: Here, who: ForInference) -> Json:
    """Delete one."""
    if here.store.get("feedback", feedback_id, who.owners) is None:
        raise not_found("feedback", feedback_id)
    here.store.delete("feedback", feedback_id)
    return Json({"id": feedback_id, "object": "feedback", "deleted": True})


def _rows(one: Record, purpose: str) -> list[dict[str, object]]:
    messages, better = one["messages"], one["better"]
    if not isinstance(messages, list):
        return []
    answers = [(one["completion"], one["rating"] == "good"), *([(better, True)] if better else [])]
    if purpose == "kto":
        return [{"messages": [*messages, _answer(text)], "kto_tag": good} for text, good in answers]
    pair: dict[str, object] = {
        "chosen": [*messages, _answer(better)],
        "rejected": [*messages, _answer(one["completion"])],
    }
    return [pair] if better else []


def _answer(text: object) -> dict[str, object]:
    return {"role": "assistant", "content": text}


def _shown(record: Record) -> dict[str, object]:
    kept = ("id", "completion_id", "model", "messages", "completion", "rating", "better")
    return {
        "object": "feedback",
        **{key: record[key] for key in kept},
        "created_at": seconds(record["created_at"]),
        "name": record["owner"],
    }
