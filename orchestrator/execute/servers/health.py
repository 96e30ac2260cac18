"""Whether a server's engine answers: requests without proxy, environment or retries."""

from __future__ import annotations

import threading
import time

import httpx

from orchestrator.execute.inference.request_errors import read_json, request_error, status_error
from orchestrator.execute.inference.token_server import CLASSIFY, score_in
from orchestrator.execute.inference.transport import http_client
from orchestrator.outside import Outside

_QUICK = httpx.Timeout(5.0, connect=1.0)


def health_client(host: str, port: int, key: str | None) -> httpx.Client:
    """A client for quick requests to one server."""
    root = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return state_client(root, key, _QUICK)


def state_client(root: str, key: str | None, timeout: httpx.Timeout) -> httpx.Client:
    """A client for requests to the paths of a server."""
    client = http_client(root, key or "", 0)
    client.base_url, client.timeout = httpx.URL(root), timeout
    return client


class Canary:
    """One completion of one token, requested in a thread, so that the caller can stop waiting.

    Of a reward model (`scores`) one score.
    """

    def __init__(
        self, url: str, model: str, key: str | None, *, timeout: float = 600.0, scores: bool = False
    ) -> None:
        self.problem = ""
        self._began = time.monotonic()
        self._scores = scores
        self._name = "a request for one score" if scores else "a completion of one token"
        self._request: dict[str, object] = {"model": model}
        if scores:
            self._request["input"] = "1"
        else:
            self._request |= {"max_tokens": 1, "temperature": 0}
            self._request["messages"] = [{"role": "user", "content": "1"}]
        self._url, self._key, self._timeout = url, key, timeout
        self._thread = threading.Thread(target=self._run, daemon=True, name="canary")
        self._thread.start()

    def seconds(self) -> float:
        """Seconds since the request."""
        return time.monotonic() - self._began

    def finished(self, wait: float) -> bool:
        """Whether the answer or the failure (`problem`) is there, after waiting up to `wait` seconds."""
        self._thread.join(wait)
        return not self._thread.is_alive()

    def _run(self) -> None:
        path = self._url.removesuffix("/v1") + CLASSIFY if self._scores else f"{self._url}/chat/completions"
        secrets = (self._key or "",)
        try:
            with http_client(self._url, self._key or "", self._timeout) as client:
                answer = client.post(path, json=self._request)
        except (httpx.HTTPError, ValueError) as error:
            cause = request_error(error, url=self._url, timeout=self._timeout, key=self._key or "")
            self.problem = f"{self._name} failed: {cause}"
            return
        if answer.status_code != httpx.codes.OK:
            self.problem = f"{self._name} failed: {status_error(answer, self._key or '')}"
            return
        try:
            found = read_json(answer.content)
            if self._scores:
                score_in(found)
                return
            usage = found.get("usage") if isinstance(found, dict) else None
            count = usage.get("completion_tokens") if isinstance(usage, dict) else None
        except ValueError as error:
            self.problem = f"{self._name} failed: {Outside(error, secrets=secrets)}"
            return
        if not isinstance(count, int):
            shape = Outside(answer.text[:2000], secrets=secrets)
            self.problem = f"the answer to a completion has an unknown shape: {shape}"
        elif count < 1:
            self.problem = "a completion returned no token"
