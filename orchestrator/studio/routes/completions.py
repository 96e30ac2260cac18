"""/v1/chat/completions and /v1/completions, streamed too; /generate and /chat as small services have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from orchestrator.execute.host.tell import tell
from orchestrator.studio.catalog import TunedModel, find_model, tuned_models
from orchestrator.studio.context import ForInference, Here, Studio
from orchestrator.studio.errors import ApiError, Json
from orchestrator.studio.keys import Caller
from orchestrator.studio.relay import Done, answering, post, read_answer
from orchestrator.studio.store import now

router = APIRouter(tags=["inference"])
_MOST_BODY = 16 << 20
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["model"],
                    "properties": {"model": {"type": "string"}, "stream": {"type": "boolean"}},
                }
            }
        },
    }
}
_CHAT = "/chat/completions"


class Prompt(BaseModel):
    """A question, and the turns before it as (question, answer)."""

    prompt: Annotated[str, Field(min_length=1)]
    model: str = ""
    history: list[tuple[str, str]] = Field(default_factory=list)
    system: str = ""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None


@router.post("/v1/chat/completions", openapi_extra=_BODY)
async def chat_completions(request: Request, here: Here, who: ForInference) -> Response:
    """An answer of a tuned model; all of vLLM's parameters are passed on."""
    return await _forward(_CHAT, request, here, who)


@router.post("/v1/completions", openapi_extra=_BODY)
async def completions(request: Request, here: Here, who: ForInference) -> Response:
    """The continuation of a text, without a chat template."""
    return await _forward("/completions", request, here, who)


async def _forward(path: str, request: Request, here: Studio, who: Caller) -> Response:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BODY:
            raise ApiError(413, f"the request is larger than {_MOST_BODY >> 20} MB", code="request_too_large")
    try:
        asked = orjson.loads(bytes(body))
    except ValueError as error:
        raise ApiError(400, f"the body is no JSON: {error}", code="invalid_json") from None
    name = asked.get("model") if isinstance(asked, dict) else None
    if not isinstance(name, str) or not name:
        raise ApiError(
            400, "model: must be the name of a model", code="missing_required_parameter", param="model"
        )
    here.meter.check_tokens(who)
    model = _model(here, who, name)
    return await post(here, model, path, bytes(body), _counted(here, who, model, asked))


def _counted(here: Studio, who: Caller, model: TunedModel, asked: Mapping[str, object]) -> Done:
    """What happens with a whole answer: its tokens are counted, and it is kept if the settings say so."""

    def done(content: bytes) -> None:
        name, text, tokens = read_answer(content)
        here.meter.add_tokens(who, tokens)
        messages = asked.get("messages")
        if not here.settings.keep_completions or not name or not isinstance(messages, list):
            return
        kept = {"id": name, "owner": who.name, "created_at": now(), "model": model.name}
        try:
            here.store.put("completions", {**kept, "messages": messages, "completion": text})
        except (OSError, ValueError) as error:
            tell(f"studio: a completion could not be kept: {error}")

    return done


def _model(here: Studio, who: Caller, name: str) -> TunedModel:
    found = find_model(here.project, here.store, who, name)
    if found is None:
        message = f"The model `{name[:200]}` does not exist or you do not have access to it."
        raise ApiError(404, message, code="model_not_found", param="model")
    return found


@router.get("/generate")
async def generate(
    here: Here,
    who: ForInference,
    prompt: Annotated[str, Query(min_length=1, max_length=100_000)],
    model: str = "",
    max_tokens: Annotated[int | None, Query(ge=1)] = None,
) -> Response:
    """One question to the newest model, or to the named one."""
    return await _answer(Prompt(prompt=prompt, model=model, max_tokens=max_tokens), here, who)


@router.post("/generate")
async def generate_by_post(body: Prompt, here: Here, who: ForInference) -> Response:
    """The same, with the prompt in the body."""
    return await _answer(body, here, who)


@router.post("/chat")
async def chat(body: Prompt, here: Here, who: ForInference) -> Response:
    """A conversation: the answer, and the history to send with the next question."""
    return await _answer(body, here, who, history=True)


async def _answer(body: Prompt, here: Studio, who: Caller, *, history: bool = False) -> Response:
    newest = [] if body.model else tuned_models(here.project, here.store, who)
    if not body.model and not newest:
        raise ApiError(404, "There is no tuned model yet.", code="model_not_found", param="model")
    here.meter.check_tokens(who)
    model = newest[-1] if newest else _model(here, who, body.model)
    messages = [{"role": "system", "content": body.system}] if body.system else []
    for question, answer in body.history:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": body.prompt})
    asked: dict[str, object] = {"model": model.name, "messages": messages}
    given = {"max_tokens": body.max_tokens, "temperature": body.temperature}
    asked |= {key: value for key, value in given.items() if value is not None}
    count = _counted(here, who, model, asked)
    async with answering(here, model, _CHAT, orjson.dumps(asked)) as reply:
        content = await reply.aread()
    if not reply.is_success:
        return Response(content, reply.status_code, media_type="application/json")
    count(content)
    text = read_answer(content)[1].strip()
    shown: dict[str, object] = {"response": text, "model": model.name}
    if history:
        shown["history"] = [*body.history, (body.prompt, text)]
    return Json(shown)
