"""The state of any OpenAI-compatible server that answers /health and /v1/models; it counts nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httpx

from orchestrator.execute.inference.request_errors import read_json
from orchestrator.outside import Outside


@dataclass(frozen=True, slots=True)
class Counters:
    """Requests in progress and tokens generated since the start; None for what the server does not count."""

    running: float | None = None
    tokens: float | None = None


class ServerApi(Protocol):
    """The requests that Conch sends to a server to learn its state; the client's base URL is the server's."""

    def is_up(self, client: httpx.Client, /) -> bool:
        """Whether it reports that it is up; False if it does not answer."""

    def models(self, client: httpx.Client, /) -> list[Outside] | None:
        """Its model names; None if it does not list them (yet), [] if it refuses this client."""

    def counters(self, client: httpx.Client, /) -> Counters:
        """Its counters. Raises httpx.HTTPError if it does not answer."""


def is_up(client: httpx.Client, /) -> bool:
    """Whether /health answers 200."""
    try:
        return client.get("/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def models(client: httpx.Client, /) -> list[Outside] | None:
    """The model names of /v1/models; [] for 401, 403 and 404."""
    try:
        response = client.get("/v1/models")
    except httpx.HTTPError:
        return None
    if response.status_code in {401, 403, 404}:
        return []
    try:
        found = read_json(response.content)
    except ValueError:
        return None
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        return None
    return [Outside(row["id"], limit=100) for row in rows if isinstance(row, dict) and "id" in row]


def counters(_client: httpx.Client, /) -> Counters:
    """None: a stuck server shows by a request of one token alone."""
    return Counters()
