"""Errors as OpenAI shapes them: {"error": {"message", "type", "param", "code"}}, with an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from starlette.responses import Response

from orchestrator.errors import (
    BusyError,
    ConchError,
    MissingError,
    Problem,
    TimedOut,
    UsageError,
    is_disk_full,
)
from orchestrator.execute.host.redact import redact
from orchestrator.outside import visible

TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
# Problems of a data file that one answer lists.
MOST_PROBLEMS = 50
# Problems that one message names.
SUMMED = 5


class ApiError(Exception):
    """A request that is refused.

    Attributes:
        status: of HTTP. message: what is wrong, and what to do.
        code: one word for programs. param: the part of the request, "" for none.
        more: further members of the error object.
        retry_after: seconds after which to try again; 0 for none.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str = "",
        param: str = "",
        more: Mapping[str, object] | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.more, self.retry_after = dict(more or {}), retry_after

    def response(self) -> Response:
        """The answer."""
        error = {
            "message": redact(visible(self.message)),
            "type": TYPES.get(self.status, "server_error"),
            "param": self.param or None,
            "code": self.code or None,
            **self.more,
        }
        headers = {"retry-after": str(self.retry_after)} if self.retry_after else {}
        if self.status == 401:  # noqa: PLR2004  HTTP asks for the header
            headers["www-authenticate"] = "Bearer"
        return Json({"error": error}, self.status, headers=headers)


class Json(Response):
    """A JSON answer, written at once: FastAPI's own way takes a hundred times as long for a long list."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """The bytes."""
        return orjson.dumps(content)


def not_found(what: str, name: str) -> ApiError:
    """The answer for a thing that does not exist, or that is another name's."""
    return ApiError(404, f"No such {what}: {name[:200]}", code=f"{what}_not_found", param="id")


def summary(problems: Sequence[Problem]) -> str:
    """The first problems, each with its place, on one line."""
    return "; ".join(" ".join(filter(None, (one.where, one.what))) for one in problems[:SUMMED])


def of_conch(error: ConchError, *, param: str = "") -> ApiError:
    """A failure of Conch's own functions, all its problems as the members `problems`."""
    status = 400
    if isinstance(error, BusyError):
        status = 409
    elif isinstance(error, TimedOut) or not isinstance(error, UsageError | MissingError):
        status = 500
    listed = [
        {"message": visible(one.what), "where": visible(one.where), "hint": visible(one.hint)}
        for one in error.problems[:MOST_PROBLEMS]
    ]
    return ApiError(
        status, summary(error.problems), code="invalid_value", param=param, more={"problems": listed}
    )


def of_disk(error: OSError) -> ApiError:
    """A file that could not be written or read."""
    if is_disk_full(error.errno):
        return ApiError(507, f"disk full: {error.strerror}", code="disk")
    return ApiError(500, str(error.strerror), code="disk")
