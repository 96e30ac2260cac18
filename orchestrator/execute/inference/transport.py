"""The wire below every HTTP client: what is sent, how long a request may take, how large its answer may be.

One deadline covers a whole request at the socket: connecting, TLS, `100 Continue`, headers, and every byte
that trickles in. An answer ends at its limit of bytes, and none is unpacked: Conch asks for no compression.
Only the headers of SENT and our own key leave. Loopback never goes through a proxy; other addresses follow
the user's proxy settings. Not covered: the system's name lookup, which has limits of its own.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import urllib.request
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from orchestrator.errors import Problem, UsageError
from orchestrator.outside import Outside

CONNECT_TIMEOUT = 10.0
HEAD_LIMIT = 256 * 1024
ANSWER_LIMIT = 16 * 1024 * 1024
SENT = frozenset({"host", "accept", "connection", "content-type", "content-length", "transfer-encoding"})


class DeadlineExceededError(httpx.ReadTimeout):
    """A request took longer than it may."""


class AnswerRefusedError(httpx.TransportError):
    """An answer is too large, or packed."""


@dataclass(slots=True)
class _Budget:
    """What one request may still cost."""

    seconds: float
    until: float
    most: int
    received: int = 0

    def left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise self.spent()
        return left

    def spent(self) -> DeadlineExceededError:
        came = f"; {self.received:,} bytes had come" if self.received else ""
        return DeadlineExceededError(f"no complete answer within {self.seconds:g} s{came}")

    def receive(self, count: int) -> None:
        self.received += count
        if self.received > self.most:
            raise too_large(self.most)


# The pool of httpcore connects in the thread that asks, and every request has a connection of its own.
_BUDGET: ContextVar[_Budget] = ContextVar("budget")


class _Stream(httpcore.NetworkStream):
    """A socket that stops at its request's deadline and limit."""

    def __init__(self, inner: httpcore.NetworkStream, budget: _Budget, *, is_http: bool) -> None:
        self._inner, self._budget, self._is_http = inner, budget, is_http

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        try:
            data = self._inner.read(max_bytes, self._budget.left())
        except httpcore.ReadTimeout:
            raise self._budget.spent() from None
        if not self._budget.received and self._is_http and not data.startswith(b"HTTP/"[: len(data)]):
            start = data[:40].decode("utf-8", "replace")
            raise AnswerRefusedError(f"the answer is not HTTP: it starts with {start!r}")
        self._budget.receive(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        try:
            self._inner.write(buffer, self._budget.left())
        except httpcore.WriteTimeout:
            raise self._budget.spent() from None

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = min(self._budget.left(), CONNECT_TIMEOUT if timeout is None else timeout)
        inner = self._inner.start_tls(ssl_context, server_hostname, seconds)
        return _Stream(inner, self._budget, is_http=self._is_http)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Connects within the deadline, however many addresses a name has; a SOCKS proxy speaks no HTTP."""

    def __init__(self, *, is_http: bool) -> None:
        self._is_http = is_http

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        budget = _BUDGET.get()
        until = time.monotonic() + min(budget.left(), CONNECT_TIMEOUT if timeout is None else timeout)
        failure: Exception = httpcore.ConnectTimeout()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"no host has the name {host!r}: {error}") from None
        for address in dict.fromkeys(str(one[4][0]) for one in found):
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                stream = httpcore.SyncBackend().connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
                continue
            return _Stream(stream, budget, is_http=self._is_http)
        raise failure


class _Transport(httpx.HTTPTransport):
    """Sends the headers of SENT and the key, and holds the answer to its deadline and its size."""

    def __init__(self, key: str, most: int, proxy: str | None) -> None:
        # The server may close an idle connection just when it is used again: a failure without a cause.
        super().__init__(verify=_tls(), proxy=proxy, limits=httpx.Limits(max_keepalive_connections=0))
        self._key, self._most = key, most
        backend = _Backend(is_http=not (proxy or "").startswith("socks"))
        self._pool._network_backend = backend  # noqa: SLF001  httpx passes on no backend of ours

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        for header in set(request.headers) - SENT:
            del request.headers[header]
        request.headers["User-Agent"] = "conch"
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        seconds = float(request.extensions["timeout"]["read"])
        budget = _Budget(seconds, time.monotonic() + seconds, HEAD_LIMIT)
        token = _BUDGET.set(budget)
        try:
            response = super().handle_request(request)
        finally:
            _BUDGET.reset(token)
        budget.most = self._most
        refusal = _refusal(response, self._most)
        if refusal is not None:
            response.close()
            raise refusal
        return response


@cache
def _tls() -> ssl.SSLContext:
    """One for all clients: reading the certificates takes longer than a request."""
    return httpx.create_ssl_context()


def too_large(most: int) -> AnswerRefusedError:
    """The error for an answer above its limit."""
    size = f"{most // 1024} KiB" if most < 1024 * 1024 else f"{most // (1024 * 1024)} MiB"
    return AnswerRefusedError(f"the answer is larger than {size}")


def _refusal(response: httpx.Response, most: int) -> AnswerRefusedError | None:
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        return AnswerRefusedError(
            f"the answer is compressed (Content-Encoding: {encoding[:40]!a}), which was not requested"
        )
    length = response.headers.get("content-length", "")
    return too_large(most) if length.isdecimal() and int(length[:20]) > most else None


def http_client(base_url: str, key: str, timeout: float, *, most: int = ANSWER_LIMIT) -> httpx.Client:
    """A client for one server. `timeout` is for a whole answer, in seconds, `most` its size in bytes."""
    proxy = _proxy(base_url)
    try:
        transport = _Transport(key, most, proxy)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        what = f"cannot use the proxy {Outside(proxy)}: {Outside(error)}"
        raise UsageError(Problem(what, hint="correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY")) from None
    return httpx.Client(timeout=limits(timeout), trust_env=False, transport=transport)


def limits(timeout: float) -> httpx.Timeout:
    """The timeouts of a request whose whole answer may take `timeout` seconds."""
    return httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT))


def _proxy(url: str) -> str | None:
    """The user's proxy for an address."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(url) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None


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
