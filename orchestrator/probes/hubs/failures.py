"""Classify the errors of the hubs' libraries. Imported by download.py beside it."""

from __future__ import annotations

SERVER_ERROR = 500

# Names of the libraries' exceptions; the first that is among an error's classes decides.
KINDS = {
    "GatedRepoError": "gated",
    "RevisionNotFoundError": "revision",
    "RemoteEntryNotFoundError": "file",
    "RepositoryNotFoundError": "repo",
    "OfflineModeIsEnabled": "offline",
    "FileIntegrityError": "integrity",
    "AuthenticationError": "denied",
    "PermissionDeniedError": "denied",
    "NotExistError": "repo",
    "ServerError": "server",
    "ProxyError": "network",
    "RequestTimeoutError": "timeout",
    "TimeoutException": "timeout",
    "Timeout": "timeout",
    "NetworkError": "network",
    "TransportError": "network",
    "ConnectionError": "network",
    "HFValidationError": "name",
    "InvalidParameter": "name",
}
STATUSES = {401: "denied", 403: "denied", 404: "repo", 429: "server"}


def causes(error: BaseException) -> list[BaseException]:
    """An error and what it was raised from or because of, outermost first."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop(0)
        if one is None or one in found:
            continue
        found.append(one)
        todo += [*getattr(one, "failed_files", {}).values(), one.__cause__, one.__context__]
    return found


def status_of(error: BaseException) -> int:
    """The HTTP status an error carries, 0 when none."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None) or getattr(error, "status_code", None)
    return status if isinstance(status, int) else 0


def explain(error: BaseException) -> dict[str, object]:
    """A failure: its kind (a value of KINDS), HTTP status, one line, and the numbers of its OSErrors."""
    chain = causes(error)
    numbers = [one.errno for one in chain if isinstance(one, OSError)]
    status = next((code for code in map(status_of, chain) if code), 0)
    line = " ".join(str(error).split())[:400] or type(error).__name__
    names = [[base.__name__ for base in type(one).__mro__] for one in chain]
    for name, kind in KINDS.items():
        if any(name in classes for classes in names):
            return {"kind": kind, "status": status, "what": line, "errnos": numbers}
    if "Consistency check failed" in line:
        return {"kind": "network", "status": status, "what": line, "errnos": numbers}
    kind = STATUSES.get(status, "server" if status >= SERVER_ERROR else "other")
    return {"kind": kind, "status": status, "what": line, "errnos": numbers}
