"""What is said to and by the child that talks to a hub: values, its environment, its failures. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, TimedOut, UsageError

TOKENS = {"huggingface": "HF_TOKEN", "modelscope": "MODELSCOPE_API_TOKEN"}
HOME_PAGES = {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn"}
# What a download needs of the user's environment; nothing else of it reaches the child.
PASSED = (
    *("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "XDG_CACHE_HOME", "CONCH_RUN"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *(name for word in ("http_proxy", "https_proxy", "all_proxy") for name in (word, word.upper())),
    *("HF_ENDPOINT", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH", "HF_XET_HIGH_PERFORMANCE"),
    *("HF_HUB_DISABLE_XET", "HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"),
    *("MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN", "MODELSCOPE_API_TOKEN", "MODELSCOPE_CACHE"),
    *("MODELSCOPE_HOME", "MODELSCOPE_DOWNLOAD_PARALLEL_WORKERS", "MODELSCOPE_DOWNLOAD_MAX_RETRIES"),
)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HubRequest:
    """What is wanted of which hub.

    Attributes:
        hub: "huggingface" or "modelscope".
        repo: "OWNER/NAME".
        kind: "model" or "dataset".
        revision: a branch, a tag or a commit; "" for the hub's default branch.
    """

    hub: str
    repo: str
    kind: str = "model"
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision[:12]}" if self.revision else self.repo


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file on a hub. Of the two hashes the hub tells one, both "" when neither."""

    path: str
    size: int
    sha256: str = ""
    git: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repository at one commit."""

    revision: str
    files: tuple[RemoteFile, ...]


def human(size: float) -> str:
    """Bytes for people.

    >>> human(3_500_000_000)
    '3.5 GB'
    """
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= one:
            return f"{size / one:.1f} {unit}"
    return f"{size:.0f} B"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the downloader may see of an environment, and what it is told."""
    passed = {name: environment[name] for name in PASSED if name in environment}
    mirror = passed.get("HF_ENDPOINT", "").rstrip("/") not in {"", HOME_PAGES["huggingface"]}
    told = {
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        # The library's own hour per file is too short for a shard on a slow line; the stall watch is ours.
        "MODELSCOPE_DOWNLOAD_TOTAL_TIMEOUT": "604800",
    }
    # A mirror does not cover Xet: its storage is addressed by name (huggingface_hub#4475).
    told |= {"HF_HUB_DISABLE_XET": "1"} if mirror else {}
    if "MODELSCOPE_ENDPOINT" in passed:
        told["MODELSCOPE_DOWNLOAD_INTRA_CLOUD"] = "false"
    around = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    no_proxy = ",".join([*filter(None, around), "127.0.0.1", "localhost", "::1"])
    return passed | told | {"no_proxy": no_proxy, "NO_PROXY": no_proxy}


def endpoint_of(hub: str, environment: Mapping[str, str]) -> str:
    """Scheme and host of the hub that is really asked; never a user name or password."""
    name = {"huggingface": "HF_ENDPOINT", "modelscope": "MODELSCOPE_ENDPOINT"}[hub]
    parts = urlsplit(environment.get(name) or HOME_PAGES[hub])
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The secret values in an environment."""
    return tuple(filter(None, (environment.get(name, "") for name in TOKENS.values())))


def scrub(text: str, secrets: Sequence[str]) -> str:
    """A text without the secrets and without user:password of any address."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def error_of(
    request: HubRequest, event: Mapping[str, Any], endpoint: str, secrets: Sequence[str]
) -> ConchError:
    """The error of a `failed` event, with the fix that fits."""
    token, page = TOKENS[request.hub], f"{HOME_PAGES[request.hub]}/{request.repo}"
    said = scrub(str(event["what"]), secrets)
    status = f" (HTTP {event['status']})" if event["status"] else ""
    allow = f"accept its licence at {page}, then `export {token}=…`"
    again = "type the same command again: what came is kept"
    other = "another hub: `export HF_ENDPOINT=https://hf-mirror.com`, or `--set model.hub=modelscope`"
    table: dict[str, tuple[type[ConchError], str, str]] = {
        "gated": (MissingError, f"access to this {request.kind} is gated{status}", allow),
        "denied": (MissingError, f"{endpoint} refuses access{status}", f"check the name; {allow}"),
        "repo": (
            MissingError,
            f"{endpoint} has no such {request.kind}, or it is private{status}",
            f"check the name; if it is private or gated: {allow}",
        ),
        "revision": (
            MissingError,
            f"has no revision {request.revision!r}",
            f"name a branch, tag or commit: {page}",
        ),
        "file": (MissingError, f"a listed file is not there: {said}", again),
        "offline": (MissingError, "offline mode is on", "unset HF_HUB_OFFLINE"),
        "integrity": (MissingError, f"what came is not what the hub lists: {said}", f"{again}; or {other}"),
        "server": (MissingError, f"{endpoint} fails{status}: {said}", f"{again} later; or {other}"),
        "network": (MissingError, f"cannot reach {endpoint}: {said}", f"check network and proxy; or {other}"),
        "timeout": (TimedOut, f"{endpoint} does not answer: {said}", f"{again}; or {other}"),
        "disk": (MissingError, f"the disk is full: {said}", "free space, or set CONCH_HOME to a larger disk"),
        "name": (UsageError, f"no name of a {request.kind} on a hub: {said}", "write it as OWNER/NAME"),
    }
    kind, what, hint = table.get(event["kind"], (StageFailed, f"the download failed: {said}", again))
    return kind(Problem(what, where=str(request), hint=hint))
