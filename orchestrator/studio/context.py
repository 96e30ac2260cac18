"""What every route gets: the studio of the application, and who sends the request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import httpx
from fastapi import Depends, Request

from orchestrator.execute.host.atomic_files import append_durable
from orchestrator.studio.errors import ApiError
from orchestrator.studio.job_queue import JobQueue
from orchestrator.studio.keys import Caller, Meter, caller_of
from orchestrator.studio.model_servers import ModelServers, ServingRules
from orchestrator.studio.store import Store

_UPLOAD = 512 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the studio works.

    Attributes:
        key_required: a key is needed even if none was ever made: not only loopback can reach it.
        hosts: names and addresses by which it may be called; empty for any.
        origins: web pages of these origins may call it from a browser.
        most_upload: bytes of the largest file.
        keep_completions: keep questions and answers for feedback.
        rules: how models are loaded.
    """

    key_required: bool = False
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    most_upload: int = _UPLOAD
    keep_completions: bool = False
    rules: ServingRules = field(default_factory=ServingRules)


@dataclass
class Studio:
    """The parts of a running studio.

    Attributes:
        served: requests by (route, status), for /metrics.
    """

    project: Path
    settings: Settings
    store: Store
    queue: JobQueue
    servers: ModelServers
    client: httpx.AsyncClient
    meter: Meter = field(default_factory=Meter)
    served: dict[tuple[str, int], int] = field(default_factory=dict)
    _audit: threading.Lock = field(default_factory=threading.Lock)

    def audit(self, who: str, event: Mapping[str, object]) -> None:
        """Append a line to the audit log, runs/.studio/audit.jsonl."""
        line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "name": who, **event}
        with self._audit:
            append_durable(self.store.folder / "audit.jsonl", json.dumps(line).encode(), sync=False)


def studio_of(request: Request) -> Studio:
    """The application's studio."""
    found: Studio = request.app.state.studio
    return found


Here = Annotated[Studio, Depends(studio_of)]


def needs(scope: str) -> Callable[[Request], Caller]:
    """A dependency: the caller, who must have this scope."""

    def caller(request: Request) -> Caller:
        here = studio_of(request)
        who = caller_of(
            here.store, request.headers.get("authorization", ""), required=here.settings.key_required
        )
        request.scope["caller"] = who.name
        here.meter.request(who)
        if not who.may(scope):
            what = f"This key has no scope {scope}; its scopes: {', '.join(sorted(who.scopes))}"
            raise ApiError(403, what, code="missing_scope")
        return who

    return caller


ForInference = Annotated[Caller, Depends(needs("inference"))]
ForFiles = Annotated[Caller, Depends(needs("files"))]
ForTraining = Annotated[Caller, Depends(needs("training"))]
ForAdmin = Annotated[Caller, Depends(needs("admin"))]
