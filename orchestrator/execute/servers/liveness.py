"""Whether a server that is up still works: its counters move while it has requests, and it answers when idle.

Under load a server answers late, so only three misses in a row count, ten seconds each. A thread of its own
checks, so that the caller can stop the server at any time.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import httpx

from orchestrator.execute.servers.engines import Counters, server_api
from orchestrator.execute.servers.health import Canary, state_client

_PATIENT = httpx.Timeout(10.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is too long, in seconds.

    Attributes:
        look: between two checks.
        stuck: without a token while requests run.
        idle: without a token until a canary requests one.
        canary: until the canary must have its token.
        misses: checks in a row that may fail.
    """

    look: float = 10.0
    stuck: float = 120.0
    idle: float = 300.0
    canary: float = 60.0
    misses: int = 3


class Liveness:
    """Watches one server until it is closed."""

    def __init__(
        self,
        url: str,
        model: str,
        key: str | None,
        engine: str,
        limits: Limits | None = None,
        *,
        scores: bool = False,
    ) -> None:
        self._url, self._model, self._key = url, model, key
        self._scores = scores
        self._api = server_api(engine)
        self._limits = limits or Limits()
        self._closed = threading.Event()
        self._misses = 0
        self._tokens = -1.0
        self._moved = time.monotonic()
        self.problem = ""
        self._thread = threading.Thread(target=self._watch, daemon=True, name="liveness")
        self._thread.start()

    def close(self) -> None:
        """Stop checking."""
        self._closed.set()

    def _watch(self) -> None:
        with state_client(self._url.removesuffix("/v1"), self._key, _PATIENT) as client:
            while not self.problem and not self._closed.wait(self._limits.look):
                self.problem = self._look(client)

    def _look(self, client: httpx.Client) -> str:
        """What is wrong; "" for nothing."""
        try:
            counters = self._api.counters(client) if self._api.is_up(client) else None
        except httpx.HTTPError:
            counters = None
        if counters is None:
            self._misses += 1
            if self._misses < self._limits.misses:
                return ""
            return f"it did not answer {self._misses} times in a row"
        self._misses = 0
        return self._judge(counters)

    def _judge(self, counters: Counters) -> str:
        now, running = time.monotonic(), counters.running
        tokens = None if self._scores else counters.tokens  # a reward model generates none
        if tokens is not None and tokens != self._tokens:
            self._tokens, self._moved = tokens, now
            return ""
        still = now - self._moved
        if running and tokens is not None:
            if still > self._limits.stuck:
                return f"{running:.0f} requests are waiting, and no token came in {still:.0f} s"
            return ""
        return self._request_token() if still > self._limits.idle else ""

    def _request_token(self) -> str:
        """Request one token from an idle server."""
        canary = Canary(self._url, self._model, self._key, timeout=self._limits.canary, scores=self._scores)
        while not canary.finished(0.2) and canary.seconds() < self._limits.canary:
            if self._closed.is_set():
                return ""
        if not canary.finished(0):
            given = "score" if self._scores else "token"
            return f"its engine gave no {given} in {self._limits.canary:.0f} s"
        self._moved = time.monotonic()
        return canary.problem
