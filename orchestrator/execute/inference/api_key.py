"""Which server a task talks to, and the key for it: never from the user's OPENAI_* variables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import open_regular
from orchestrator.outside import Outside

LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """The service of a stage: its base URL (ending in /v1), its model name, and the key, "" for none."""

    url: str
    model: str
    key: str = field(default="", repr=False)

    @classmethod
    def of_environment(cls) -> ServiceAddress:
        """The service that the loop names in the task's environment; MissingError if there is none."""
        url, model = os.environ.get("CONCH_SERVICE_URL", ""), os.environ.get("CONCH_SERVICE_MODEL", "")
        if not url or not model:
            what = "no server to ask: CONCH_SERVICE_URL and CONCH_SERVICE_MODEL are not set"
            hint = "conch run RECIPE sets them; conch verify --base-url URL asks another server"
            raise MissingError(Problem(what, hint=hint))
        return cls(url, model, read_key())


def checked_url(url: str, where: str = "--base-url") -> str:
    """A server's base URL without a slash at its end. Raises UsageError if it is none, or holds a secret.

    A secret in an address would reach every message, record and report that names the server.
    """
    plain = not re.search(r"[@?#]", url)
    if plain and _is_url(url):
        return url.rstrip("/")
    shown = url if plain else _host_of(url)
    if plain or not _is_url(url):
        what, hint = "not a server's address", "write it like http://127.0.0.1:8000/v1"
    else:
        what = "this address has a user name, a password, a query or a fragment"
        hint = "give the address alone, and a key by CONCH_API_KEY or --key-file FILE"
    raise UsageError(Problem(f'{what}: "{Outside(shown)}"', where, hint))


def _is_url(url: str) -> bool:
    try:
        parts, _ = urlsplit(url), httpx.URL(url).host  # decodes an international name
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except (ValueError, httpx.InvalidURL):
        return False
    return good and url.isprintable() and " " not in url and len(url) <= LONGEST_URL


def _host_of(url: str) -> str:
    """Scheme and host alone; not even those where an odd @ may have put a password there."""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://", url)
    start = scheme[0] if scheme else ""
    netloc = re.split(r"[/?#]", url[len(start) :], maxsplit=1)[0]
    odd = "@" in url[len(start) + len(netloc) :]
    if odd or not start:
        return f"{start}***"
    user, at, host = netloc.rpartition("@")
    return f"{start}{'***' if user else ''}{at}{host}/***"


def read_key(
    key_file: Path | None = None, environ: Mapping[str, str] = os.environ, *, variable: str = "CONCH_API_KEY"
) -> str:
    """The server's key: from the file, else from CONCH_API_KEY (or another variable), else ""."""
    if key_file is None:
        return _key_text(environ.get(variable, ""), variable)
    try:
        with open_regular(key_file) as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                hint = f"chmod 600 {key_file}"
                raise MissingError(
                    Problem("other users can read this key file", where=str(key_file), hint=hint)
                )
            text = file.read(4096).decode("utf-8")
    except OSError as error:
        raise MissingError(Problem(f"no key file: {error.strerror}", where=str(key_file))) from error
    except UnicodeDecodeError as error:
        raise UsageError(Problem("not a key: not UTF-8", where=str(key_file))) from error
    key = _key_text(text, str(key_file))
    if not key:
        raise UsageError(Problem("the key file is empty", where=str(key_file)))
    return key


def _key_text(text: str, where: str) -> str:
    key = text.strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(Problem("not a key: a key is one word of printable ASCII characters", where=where))
    return key
