"""What can go wrong between a question and its answer, each with its own sentence."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

import httpx
import openai

DETAIL = 300


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
    """No answer came, or none that can be used; `wait`: so many seconds later it wants to be asked."""

    def __init__(self, kind: ErrorKind, told: str, wait: float | None = None) -> None:
        super().__init__(told)
        self.kind = kind
        self.wait = wait


# HTTP status → kind and what is said of it; others by their hundred.
_STATUS: dict[int, tuple[ErrorKind, str]] = {
    400: (ErrorKind.REFUSED, "the server refuses the request"),
    401: (ErrorKind.KEY, "the server wants a key, or another one"),
    403: (ErrorKind.KEY, "the server refuses this key"),
    404: (ErrorKind.NOT_SERVED, "the server knows no such model or address"),
    422: (ErrorKind.REFUSED, "the server refuses the request"),
    429: (ErrorKind.ANSWER, "the server has too many requests"),
    500: (ErrorKind.ANSWER, "the server failed inside"),
    502: (ErrorKind.ANSWER, "a gateway before the server got no answer from it"),
    503: (ErrorKind.ANSWER, "the server is not ready or overloaded"),
}


def trouble_of(error: Exception, *, url: str, timeout: float, key: str = "") -> RequestError:
    """The Trouble that an exception of the OpenAI or HTTP library means.

    Args:
        error: what was raised.
        url: of the server, for the sentence.
        timeout: that was given, in seconds.
        key: never shown, even when the server repeats it.
    """
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
    if isinstance(cause, httpx.ConnectTimeout):
        return RequestError(ErrorKind.NOT_THERE, f"{url} takes no connection")
    if isinstance(error, openai.APITimeoutError) or isinstance(cause, httpx.TimeoutException):
        return RequestError(ErrorKind.TIMEOUT, f"no whole answer within {timeout:g} s")
    if isinstance(cause, httpx.ConnectError):
        return RequestError(ErrorKind.NOT_THERE, f"nothing listens at {url}")
    if isinstance(error, openai.APIStatusError):
        return _of_status(error, key)
    return _of_answer(error, key)


def _of_answer(error: Exception, key: str) -> RequestError:
    if isinstance(error, json.JSONDecodeError | openai.APIResponseValidationError | UnicodeDecodeError):
        return RequestError(ErrorKind.ANSWER, f"the answer is not valid JSON: {_plain(str(error), key)}")
    if isinstance(error, openai.APIConnectionError | httpx.TransportError):
        return RequestError(ErrorKind.CUT, "the server closed the connection in the middle of the answer")
    return RequestError(ErrorKind.ANSWER, f"the server reported an error: {_plain(str(error), key)}")


def _of_status(error: openai.APIStatusError, key: str) -> RequestError:
    code = error.status_code
    failed = code >= HTTPStatus.INTERNAL_SERVER_ERROR
    by_hundred = (
        (ErrorKind.ANSWER, "the server failed") if failed else (ErrorKind.REFUSED, "the server refuses")
    )
    kind, said = _STATUS.get(code, by_hundred)
    if kind is ErrorKind.KEY:  # servers like to repeat the key they were given
        return RequestError(kind, f"{said} (HTTP {code})")
    body = error.body
    detail = body.get("message") if isinstance(body, dict) else body
    told = f": {_plain(str(detail), key)}" if detail else ""
    wait = seconds_of(error.response.headers.get("retry-after", ""))
    later = "" if wait is None else f", and asks to wait {wait:g} s"
    return RequestError(kind, f"{said} (HTTP {code}){later}{told}", wait)


def seconds_of(retry_after: str, now: datetime | None = None) -> float | None:
    """The seconds that a Retry-After header asks for, from a number or a date; None when it says neither.

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
