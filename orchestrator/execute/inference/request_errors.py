"""What can go wrong with a request, each with its own sentence; and retries where a server asks for them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar

import httpx

from orchestrator.execute.inference.transport import AnswerRefusedError, DeadlineExceededError
from orchestrator.outside import Outside

MOST_PARTS = 1_000_000
RETRIES = 3
LONGEST = 60.0

# How the HTTP library says that a connection ended too early.
_CUT = re.compile("disconnected|peer closed|incomplete")
_Answer = TypeVar("_Answer")


class ErrorKind(StrEnum):
    """What a caller does differently."""

    NOT_THERE = "not there"
    CUT = "cut"
    TIMEOUT = "timeout"
    KEY = "key"
    NOT_SERVED = "not served"
    REFUSED = "refused"
    ANSWER = "answer"


class RequestError(Exception):
    """No usable answer came.

    `wait`: the seconds after which the server asks for a retry. `status`: its HTTP status, 0 for none.
    """

    def __init__(self, kind: ErrorKind, message: str, wait: float | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.wait = wait
        self.status = status


# HTTP status → kind and sentence; others by their class.
_STATUS: dict[int, tuple[ErrorKind, str]] = {
    400: (ErrorKind.REFUSED, "the server refuses the request"),
    401: (ErrorKind.KEY, "the server requires a key, or a different one"),
    403: (ErrorKind.KEY, "the server rejects this key"),
    404: (ErrorKind.NOT_SERVED, "the server does not know this model or address"),
    422: (ErrorKind.REFUSED, "the server refuses the request"),
    429: (ErrorKind.ANSWER, "the server has too many requests"),
    500: (ErrorKind.ANSWER, "the server had an internal error"),
    502: (ErrorKind.ANSWER, "a gateway got no answer from the server"),
    503: (ErrorKind.ANSWER, "the server is not ready or overloaded"),
}


def request_error(error: Exception, *, url: str, timeout: float, key: str = "") -> RequestError:
    """The RequestError that an exception of the HTTP library or a reader of JSON means; without the key."""
    told = Outside(error, secrets=(key,))
    kind, what = ErrorKind.ANSWER, str(told)
    match error:
        case AnswerRefusedError():
            pass
        case DeadlineExceededError():
            kind = ErrorKind.TIMEOUT
        case httpx.ConnectTimeout():
            kind, what = ErrorKind.NOT_THERE, f"{url} accepts no connection"
        case httpx.TimeoutException():
            kind, what = ErrorKind.TIMEOUT, f"no complete answer within {timeout:g} s"
        case httpx.ProxyError():
            kind, what = ErrorKind.NOT_THERE, f"the proxy does not connect to {url}: {told}"
        case httpx.ConnectError():
            kind, what = ErrorKind.NOT_THERE, _not_connected(str(told), url)
        case httpx.RemoteProtocolError() if not _CUT.search(str(error)):
            what = f"the answer is not HTTP: {told}"
        case httpx.TransportError() if not isinstance(error, httpx.UnsupportedProtocol):
            kind, what = ErrorKind.CUT, "the server closed the connection in the middle of the answer"
    return RequestError(kind, what)


def _not_connected(told: str, url: str) -> str:
    if "WRONG_VERSION_NUMBER" in told or "record layer failure" in told.lower():
        return f"what listens at {url} speaks no TLS: is it http:// instead of https://?"
    if "SSL" in told or "certificate" in told:
        return f"no secure connection to {url}: {told}"
    return f"nothing listens at {url}" + (f": {told}" if told.startswith("no host") else "")


def status_error(response: httpx.Response, key: str = "") -> RequestError:
    """The RequestError of a response that was read, and whose status is not a success."""
    code = response.status_code
    failed = code >= HTTPStatus.INTERNAL_SERVER_ERROR
    by_class = (
        (ErrorKind.ANSWER, "the server failed") if failed else (ErrorKind.REFUSED, "the server refuses")
    )
    kind, sentence = _STATUS.get(code, by_class)
    if kind is ErrorKind.KEY:  # servers may repeat the key that they got
        return RequestError(kind, f"{sentence} (HTTP {code})")
    if response.has_redirect_location:
        elsewhere = Outside(response.headers["location"], secrets=(key,))
        what = f"the server refuses (HTTP {code}): it redirects to {elsewhere}; give that address"
        return RequestError(kind, what)
    detail = detail_of(response, key)
    reason = f": {detail}" if detail.raw else ""
    wait = seconds_of(response.headers.get("retry-after", "")[:40])
    later = "" if wait is None else f", and asks you to wait {wait:g} s"
    return RequestError(kind, f"{sentence} (HTTP {code}){later}{reason}", wait, code)


def detail_of(response: httpx.Response, key: str = "") -> Outside:
    """What a server says of its refusal: {"error": {"message"}}, or FastAPI's {"detail"}, or any text."""
    text: object = response.content.decode("utf-8", "replace")
    try:
        body = read_json(response.content)
    except ValueError:
        return Outside(text, secrets=(key,))
    error = body.get("error", body) if isinstance(body, dict) else body
    found = error.get("message", error) if isinstance(error, dict) else error
    return Outside(found if isinstance(found, str) else text, secrets=(key,))


def read_json(body: bytes) -> object:
    """JSON that another program sent. Raises ValueError with a sentence for anything else.

    A small text may become a large value: each part costs up to a hundred bytes.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_PARTS:
        raise ValueError(f"the answer's JSON has more than {MOST_PARTS:,} parts")
    try:
        value: object = json.loads(body)
    except RecursionError:
        raise ValueError("the answer's JSON is nested too deeply") from None
    except ValueError as error:  # a JSONDecodeError, not UTF-8, or a number of 5,000 digits
        start = body[:80].decode("utf-8", "replace")
        begins = start.lstrip()[:1] in ("{", "[")
        why = f"valid JSON: {Outside(error, limit=120)}" if begins else "JSON"
        raise ValueError(f"the answer is not {why}: {start!r}") from None
    return value


def seconds_of(retry_after: str, now: datetime | None = None) -> float | None:
    """The seconds that a Retry-After header asks for, as a number or a date; None for anything else.

    >>> seconds_of("2"), seconds_of("soon"), seconds_of("")
    (2.0, None, None)
    """
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", retry_after.strip(), re.ASCII):
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after)
    except (ValueError, TypeError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (aware - (now or datetime.now(UTC))).total_seconds())


def with_retries(
    request: Callable[[], _Answer], *, times: int = RETRIES, longest: float = LONGEST
) -> _Answer:
    """The answer to a request, repeated where the server says when; raises the last RequestError.

    A server that asks for longer waits than `longest` seconds, together, gets no further retry.
    """
    for _ in range(times):
        try:
            return request()
        except RequestError as error:
            if error.wait is None or error.wait > longest:
                raise
            longest -= error.wait
            time.sleep(error.wait)
    return request()
