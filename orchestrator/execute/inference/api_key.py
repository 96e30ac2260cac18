"""The key for a server: from CONCH_API_KEY or a file that only its owner reads; never from OPENAI_*."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import MissingError, Problem, UsageError


def read_key(
    key_file: Path | None = None, environ: Mapping[str, str] = os.environ, *, variable: str = "CONCH_API_KEY"
) -> str:
    """The key for the server: of the file, else of CONCH_API_KEY (or another variable), else "".

    Raises:
        MissingError: the file is not there, or others may read it.
        UsageError: what it holds is no key.
    """
    if key_file is None:
        return _key_text(environ.get(variable, ""), variable)
    try:
        with key_file.open(encoding="utf-8") as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode) or mode & 0o077:
                hint = f"chmod 600 {key_file}"
                raise MissingError(Problem("others may read this key file", where=str(key_file), hint=hint))
            text = file.read(4096)
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
        raise UsageError(Problem("not a key: one word of printable ASCII is wanted", where=where))
    return key
