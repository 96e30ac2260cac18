"""Passing a request on to a model server, and its answer back, byte by byte as it comes.

The model's server is leased until the last byte is sent or the client is gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import httpx
import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from orchestrator.studio.catalog import TunedModel
from orchestrator.studio.context import Studio
from orchestrator.studio.errors import ApiError

_PASSED_ON = ("content-type", "retry-after")
# What is kept of an answer: its tokens are counted in it, and feedback may need its text.
MOST_KEPT = 4 << 20

Done = Callable[[bytes], None]


async def post(here: Studio, model: TunedModel, path: str, body: bytes, done: Done) -> Response:
    """The answer of a model's server to a request.

    Args:
        here: the studio.
        model: whose server is asked; it is loaded if needed.
        path: below /v1.
        body: JSON.
        done: called with the whole answer, up to MOST_KEPT bytes, if it was one.

    Raises:
        ApiError: the model is not there in time, or its server does not answer.
    """
    stack = AsyncExitStack()
    return _Relay(await stack.enter_async_context(answering(here, model, path, body)), stack, done)


@asynccontextmanager
async def answering(here: Studio, model: TunedModel, path: str, body: bytes) -> AsyncIterator[httpx.Response]:
    """The answer of a model's server, whose content is not read yet; the server stays up inside the block.

    Raises:
        ApiError: as post().
    """
    async with here.servers.lease(model.recipe) as url:
        headers = {"authorization": f"Bearer {here.servers.key}", "content-type": "application/json"}
        request = here.client.build_request("POST", f"{url}{path}", content=body, headers=headers)
        try:
            answer = await here.client.send(request, stream=True)
        except httpx.TransportError as error:
            here.servers.forget(model.recipe)
            what = f"The model's server does not answer ({type(error).__name__}). Try again."
            raise ApiError(503, what, code="model_unavailable", retry_after=5) from None
        try:
            yield answer
        finally:
            await answer.aclose()


class _Relay(Response):
    """A Response that sends another server's answer."""

    def __init__(self, answer: httpx.Response, stack: AsyncExitStack, done: Done) -> None:
        self._answer, self._stack, self._done = answer, stack, done
        headers = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
        super().__init__(status_code=answer.status_code, headers=headers)
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self._kept, self._whole = bytearray(), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's shape
        try:
            async with anyio.create_task_group() as group:

                async def gone() -> None:
                    message: Message = {"type": ""}
                    while message["type"] != "http.disconnect":
                        message = await receive()
                    group.cancel_scope.cancel()

                group.start_soon(gone)
                await self._send(send)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._stack.aclose()
        if self._whole and self._answer.is_success:
            self._done(bytes(self._kept))

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._answer.aiter_raw():
            if len(self._kept) < MOST_KEPT:
                self._kept += chunk
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._whole = True


def read_answer(content: bytes) -> tuple[str, str, int]:
    """The id, the text and the tokens of an answer, streamed or not; of a stream without usage its events."""
    if not content.startswith(b"data:"):
        found = _object(content)
        return str(found.get("id", "")), _text(found, "message"), _tokens(found)
    name, text, tokens, events = "", "", 0, 0
    for line in content.split(b"\n"):
        if line.startswith(b"data:") and line[5:].strip() != b"[DONE]":
            found, events = _object(line[5:]), events + 1
            name = name or str(found.get("id", ""))
            text += _text(found, "delta")
            tokens = _tokens(found) or tokens
    return name, text, tokens or events


def _object(text: bytes) -> Mapping[str, object]:
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(found: Mapping[str, object], key: str) -> str:
    choices = found.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    if not isinstance(first, dict):
        return ""
    message = first.get(key)
    text = message.get("content") if isinstance(message, dict) else first.get("text")
    return text if isinstance(text, str) else ""


def _tokens(found: Mapping[str, object]) -> int:
    usage = found.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, dict) else 0
    return total if isinstance(total, int) else 0
