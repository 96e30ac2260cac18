"""The HTTP client below the OpenAI client: it decides which headers are sent, and enforces total timeouts.

The OpenAI library takes keys, organizations and headers from the user's OPENAI_* variables, which belong to
another service, so only the headers of SENT and our own key leave. Loopback never goes through a proxy;
other addresses follow the user's proxy settings.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

CONNECT_TIMEOUT = 10.0
SENT = frozenset({"host", "accept", "connection", "content-type", "content-length", "transfer-encoding"})

_DONE = re.compile(rb"(?:\A|\n)data: ?\[DONE\]")
_DONE_SIZE = 16


class DeadlineStream(httpx.SyncByteStream):
    """A response's bytes, with a deadline for all of them; `done` after the stream's [DONE]."""

    def __init__(self, inner: httpx.SyncByteStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline
        self._tail = b""
        self.done = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._inner:
            # A server that sends a byte now and then never hits the read timeout.
            if time.monotonic() > self._deadline:
                raise httpx.ReadTimeout("the whole answer took too long")
            window = self._tail + chunk
            self.done = self.done or _DONE.search(window) is not None
            self._tail = window[-_DONE_SIZE:]
            yield chunk

    def close(self) -> None:
        """Close the connection beneath."""
        self._inner.close()


def http_client(base_url: str, key: str, timeout: float) -> httpx.Client:
    """A client for one server. `timeout` is for a whole answer, in seconds."""

    def send(request: httpx.Request) -> None:
        for header in set(request.headers) - SENT:
            del request.headers[header]
        request.headers["User-Agent"] = "conch"
        if key:
            request.headers["Authorization"] = f"Bearer {key}"
        read = request.extensions.get("timeout", {}).get("read")
        request.extensions["conch_deadline"] = time.monotonic() + (timeout if read is None else read)

    def watch(response: httpx.Response) -> None:
        stream = response.stream
        if isinstance(stream, httpx.SyncByteStream):
            response.stream = DeadlineStream(stream, response.request.extensions["conch_deadline"])

    return httpx.Client(
        timeout=limits(timeout),
        trust_env=not is_loopback(base_url),
        # The server may close an idle connection just when it is used again: a failure without a cause.
        limits=httpx.Limits(max_keepalive_connections=0),
        event_hooks={"request": [send], "response": [watch]},
    )


def limits(timeout: float) -> httpx.Timeout:
    """The timeouts of a request whose whole answer may take `timeout` seconds."""
    return httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT))


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine.

    >>> [is_loopback(f"http://{host}/v1") for host in ("127.0.0.1:8000", "[::1]", "a.b")]
    [True, True, False]
    """
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
