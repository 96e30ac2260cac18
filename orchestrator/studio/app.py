"""The application: the routes, the guard in front of them, and what starts and stops with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator import __version__
from orchestrator.errors import ConchError
from orchestrator.execute.host.tell import tell
from orchestrator.studio.context import Settings, Studio
from orchestrator.studio.errors import ApiError, of_conch, of_disk
from orchestrator.studio.job_queue import JobQueue
from orchestrator.studio.model_servers import ModelServers
from orchestrator.studio.routes import ROUTERS
from orchestrator.studio.store import Store
from orchestrator.studio.uploads import sweep

_SILENT = ("/healthz", "/metrics")
_CONNECT = 10.0
# Two thirds of what 64 clients at once may need, and far below a process's limit on open files.
_CONNECTIONS = httpx.Limits(max_connections=1000, max_keepalive_connections=64)


def build(project: Path, settings: Settings) -> FastAPI:
    """The application of a project; it opens its store when it starts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(project, settings) as studio:
            app.state.studio = studio
            yield

    app = FastAPI(title="Conch studio", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    for router in ROUTERS.values():
        app.include_router(router)
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ConchError, _conch_error)
    app.add_exception_handler(Exception, _bug)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["*"], allow_headers=["*"]
        )
    app.add_middleware(_Guard, settings=settings)
    return app


@asynccontextmanager
async def _running(project: Path, settings: Settings) -> AsyncIterator[Studio]:
    store = Store(project)
    store.rebuild()
    sweep(project, store)
    servers = ModelServers(project, store.folder, settings.rules)
    servers.adopt()
    queue = JobQueue(project, store, servers.crowd_out, servers.training_over)
    timeout = httpx.Timeout(None, connect=_CONNECT)
    async with httpx.AsyncClient(timeout=timeout, limits=_CONNECTIONS, trust_env=False) as client:
        idle = asyncio.create_task(servers.stop_idle())
        queue.start()
        try:
            yield Studio(project, settings, store, queue, servers, client)
        finally:
            idle.cancel()
            with suppress(asyncio.CancelledError):
                await idle
            await asyncio.to_thread(queue.close)
            await servers.close()
            store.close()


class _Guard:
    """Refuses what a web page of another site sends; counts every request, and writes the audit log."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.monotonic()

        async def noted(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message["headers"], (b"x-content-type-options", b"nosniff")]
            await send(message)

        try:
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal.response()(scope, receive, noted)
            else:
                await self._app(scope, receive, noted)
        finally:
            self._note(scope, status, time.monotonic() - began)

    def _refusal(self, scope: Scope) -> ApiError | None:
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        host = headers.get(b"host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if self._settings.hosts and name not in self._settings.hosts:
            return ApiError(403, f"This server is not called {name[:100]}.", code="unknown_host")
        origin = headers.get(b"origin", "")
        foreign = origin and origin.partition("://")[2] != host and origin not in self._settings.origins
        if foreign or (not origin and headers.get(b"sec-fetch-site") == "cross-site"):
            what = "A web page of another site may not call this server; --origin allows one."
            return ApiError(403, what, code="foreign_origin")
        return None

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        studio: Studio = scope["app"].state.studio
        route = scope.get("route")
        path = getattr(route, "path", "(none)")
        studio.served[path, status] = studio.served.get((path, status), 0) + 1
        if path in _SILENT:
            return
        client = (scope.get("client") or ("",))[0]
        event = {"from": client, "method": scope["method"], "path": scope["path"][:300], "status": status}
        try:
            studio.audit(scope.get("caller", "?"), {**event, "seconds": round(seconds, 3)})
        except ConchError as error:
            tell(f"studio: the audit log cannot be written: {error}")


def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101  that is what it is registered for
    return error.response()


def _conch_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ConchError)  # noqa: S101
    return of_conch(error).response()


def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    message = f"{where or 'body'}: {first['msg']}"
    return ApiError(422, message, code="invalid_value", param=where).response()


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return ApiError(error.status_code, str(error.detail)).response()


def _bug(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError):
        return of_disk(error).response()
    tell(f"studio: a bug: {request.method} {request.url.path}: {type(error).__name__}: {error}")
    return ApiError(500, "a bug in Conch; see the server's output", code="bug").response()
