"""What can go wrong with a request, each with its own sentence; and retries where a server asks for them."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeGuard, TypeVar

import httpx

if TYPE_CHECKING:
    import openai

DETAIL = 300
RETRIES = 3
LONGEST = 60.0

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
    """No usable answer came; `wait`: seconds after which the server asks for a retry."""

    def __init__(self, kind: ErrorKind, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.wait = wait


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
    """The RequestError that an exception of the OpenAI or HTTP library means; the key is never shown."""
    cause = error.__cause__ if _is_openai(error, "APIConnectionError") else error
    if isinstance(cause, httpx.ConnectTimeout):
        return RequestError(ErrorKind.NOT_THERE, f"{url} accepts no connection")
    if _is_openai(error, "APITimeoutError") or isinstance(cause, httpx.TimeoutException):
        return RequestError(ErrorKind.TIMEOUT, f"no complete answer within {timeout:g} s")
    if isinstance(cause, httpx.ConnectError):
        return RequestError(ErrorKind.NOT_THERE, f"nothing listens at {url}")
    if _is_status(error):
        return _of_status(error, key)
    return _of_answer(error, key)


def _is_openai(error: Exception, name: str) -> bool:
    """Whether an exception is of that class of openai, without importing it: that takes a second."""
    library = sys.modules.get("openai")
    return library is not None and isinstance(error, getattr(library, name))


def _is_status(error: Exception) -> TypeGuard[openai.APIStatusError]:
    return _is_openai(error, "APIStatusError")


def _of_answer(error: Exception, key: str) -> RequestError:
    invalid = isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
    if invalid or _is_openai(error, "APIResponseValidationError"):
        return RequestError(ErrorKind.ANSWER, f"the answer is not valid JSON: {_plain(str(error), key)}")
    if isinstance(error, httpx.TransportError) or _is_openai(error, "APIConnectionError"):
        return RequestError(ErrorKind.CUT, "the server closed the connection in the middle of the answer")
    return RequestError(ErrorKind.ANSWER, f"the server reported an error: {_plain(str(error), key)}")


def _of_status(error: openai.APIStatusError, key: str) -> RequestError:
    code = error.status_code
    failed = code >= HTTPStatus.INTERNAL_SERVER_ERROR
    by_class = (
        (ErrorKind.ANSWER, "the server failed") if failed else (ErrorKind.REFUSED, "the server refuses")
    )
    kind, sentence = _STATUS.get(code, by_class)
    if kind is ErrorKind.KEY:  # servers may repeat the key that they got
        return RequestError(kind, f"{sentence} (HTTP {code})")
    body = error.body
    detail = body.get("message") if isinstance(body, dict) else body
    reason = f": {_plain(str(detail), key)}" if detail else ""
    wait = seconds_of(error.response.headers.get("retry-after", ""))
    later = "" if wait is None else f", and asks you to wait {wait:g} s"
    return RequestError(kind, f"{sentence} (HTTP {code}){later}{reason}", wait)


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


def _plain(text: str, key: str) -> str:
    line = " ".join((text.replace(key, "***") if key else text).split())
    return line if len(line) <= DETAIL else line[:DETAIL] + "…"


def with_retries(
    request: Callable[[], _Answer], *, times: int = RETRIES, longest: float = LONGEST
) -> _Answer:
    """The answer to a request, repeated where the server says when; raises the last RequestError.

    A server that asks for a longer wait than `longest` seconds gets no retry.
    """
    for _ in range(times):
        try:
            return request()
        except RequestError as error:
            if error.wait is None or error.wait > longest:
                raise
            time.sleep(error.wait)
    return request()
