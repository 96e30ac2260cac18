"""The requests and events of the downloader process, and the errors for its failures. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypedDict

from orchestrator.errors import (
    ConchError,
    MissingError,
    Problem,
    StageFailed,
    TimedOut,
    UsageError,
    is_disk_full,
)
from orchestrator.hubs import REMOTE, TOKEN_HOSTS, Hub, variables
from orchestrator.outside import Outside

# What a download needs of the user's environment besides the hubs' own variables; nothing else is passed on.
PASSED = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "XDG_CACHE_HOME", "CONCH_RUN"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *(name for word in ("http_proxy", "https_proxy", "all_proxy") for name in (word, word.upper())),
)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HubRequest:
    """A repository at a revision.

    Attributes:
        repo: "OWNER/NAME".
        kind: "model" or "dataset".
        revision: a branch, a tag or a commit; "" for the hub's default branch.
    """

    hub: Hub
    repo: str
    kind: str = "model"
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision[:12]}" if self.revision else self.repo


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a hub. A hub lists one of the two hashes, or neither: then both are ""."""

    path: str
    size: int
    sha256: str = ""
    git: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repository at one commit."""

    revision: str
    files: tuple[RemoteFile, ...]


class Event(TypedDict, total=False):
    """A line of the downloader (probes/hubs/download.py): "listed", "done" or "failed"."""

    event: str
    revision: str
    files: list[dict[str, str | int]]
    kind: str
    status: int
    what: str
    errnos: list[int | None]


def human(size: float) -> str:
    """Bytes for people.

    >>> human(3_500_000_000)
    '3.5 GB'
    """
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size:.0f} B"


def child_environment(hub: Hub, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a downloader: what it may see of the user's, and its settings."""
    names = {*PASSED, *variables()}
    passed = {name: environment[name] for name in environment if name in names}
    mirror = hub.mirror_settings if hub.uses_mirror(passed) else {}
    given = {hub.token: environment[hub.token]} if hub.token in environment else {}
    token = given if hub.sends_token(passed) else hub.no_token
    listed = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    no_proxy = ",".join([*filter(None, listed), "127.0.0.1", "localhost", "::1"])
    return {**passed, **token, **hub.settings, **mirror, "no_proxy": no_proxy, "NO_PROXY": no_proxy}


def error_of(
    request: HubRequest, event: Event, address: str, secret: str, *, withheld: bool = False
) -> ConchError:
    """The error of a `failed` event, with a hint that fits; `withheld`: this address gets no token."""
    hub = request.hub
    page = f"{hub.home_page}/{request.repo}"
    message = Outside(event["what"], secrets=(secret,))
    status = f" (HTTP {event['status']})" if event["status"] else ""
    commit = f"name a branch, tag or commit: {page}"
    to_it = f"; {address} gets it only by https and if {TOKEN_HOSTS} names its host" if withheld else ""
    room = "free space, or set CONCH_HOME to a larger disk"
    allow = f"accept its licence at {page}, then `export {hub.token}=…`{to_it}"
    again = "run the same command again: it resumes the download"
    mirrors = [
        f"`export {one.endpoint}={one.mirror}` (which gets your {one.token} only if {TOKEN_HOSTS} names it)"
        for one in REMOTE.values()
        if one.mirror
    ]
    others = [f"`--set model.hub={name}`" for name in REMOTE if name != hub.name]
    other = f"use another hub: {', or '.join([*mirrors, *others])}"
    reach = f"check network and proxy; or {other}"
    errors: dict[str, tuple[type[ConchError], str, str]] = {
        "gated": (MissingError, f"access to this {request.kind} is gated{status}", allow),
        "denied": (MissingError, f"{address} refuses access{status}", f"check the name; {allow}"),
        "repo": (
            MissingError,
            f"{address} has no such {request.kind}, or it is private{status}",
            f"check the name; if it is private or gated: {allow}",
        ),
        "revision": (MissingError, f"has no revision {request.revision!r}", commit),
        "file": (MissingError, f"a listed file does not exist: {message}", again),
        "offline": (MissingError, "offline mode is on", "unset HF_HUB_OFFLINE"),
        "integrity": (
            MissingError,
            f"the download differs from the hub's listing: {message}",
            f"{again}; or {other}",
        ),
        "server": (MissingError, f"{address} fails{status}: {message}", f"{again} later; or {other}"),
        "network": (MissingError, f"cannot reach {address}: {message}", reach),
        "timeout": (TimedOut, f"{address} does not answer: {message}", f"{again}; or {other}"),
        "disk": (MissingError, f"the disk is full: {message}", room),
        "name": (UsageError, f"not the name of a {request.kind} on a hub: {message}", "write OWNER/NAME"),
    }
    named = "disk" if is_disk_full(*event.get("errnos", ())) else event["kind"]
    kind, what, hint = errors.get(named, (StageFailed, f"the download failed: {message}", again))
    return kind(Problem(what, where=str(request), hint=hint))
