"""Whether a server's engine answers: requests without proxy, environment or retries."""

from __future__ import annotations

import threading
import time

import httpx

_QUICK = httpx.Timeout(5.0, connect=1.0)


def _headers(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def health_client(host: str, port: int, key: str | None) -> httpx.Client:
    """A client for quick requests to one server."""
    root = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    return httpx.Client(base_url=root, headers=_headers(key), timeout=_QUICK, trust_env=False)


class Canary:
    """One completion of one token, requested in a thread, so that the caller can stop waiting."""

    def __init__(self, url: str, model: str, key: str | None, *, timeout: float = 600.0) -> None:
        self.problem = ""
        self._began = time.monotonic()
        self._request = {"model": model, "max_tokens": 1, "temperature": 0}
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
        body = {**self._request, "messages": [{"role": "user", "content": "1"}]}
        try:
            with httpx.Client(headers=_headers(self._key), timeout=self._timeout, trust_env=False) as client:
                answer = client.post(f"{self._url}/chat/completions", json=body)
        except httpx.HTTPError as error:
            self.problem = f"a completion of one token failed: {type(error).__name__}"
            return
        if answer.status_code != httpx.codes.OK:
            status = f"HTTP {answer.status_code}"
            self.problem = f"a completion of one token returned {status}: {answer.text[:400]}"
            return
        try:
            if answer.json()["usage"]["completion_tokens"] < 1:
                self.problem = "a completion returned no token"
        except (ValueError, KeyError, TypeError):
            self.problem = f"the answer to a completion has an unknown shape: {answer.text[:400]}"
