"""Which server a task talks to, and the key for it: never from the user's OPENAI_* variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import open_regular


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
