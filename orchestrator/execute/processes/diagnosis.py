"""Why a child process failed, from its exit code and its log."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from orchestrator.backends.symptoms import explain
from orchestrator.errors import Problem
from orchestrator.execute.host.atomic_files import open_regular
from orchestrator.execute.host.redact import redact

_HEAD = 1 << 20
_TAIL = 256 << 10


def explain_failure(log: Path, exit_code: int, *, hide: Iterable[str] = (), since: int = 0) -> Problem:
    """The cause of a failure, read in the log from byte `since` on; values in `hide` are masked."""
    text = read_ends(log, since)
    for secret in hide:
        text = text.replace(secret, "***") if secret else text
    problem = explain(redact(text), exit_code)
    return Problem(problem.what, where=str(log), hint=problem.hint)


def read_ends(log: Path, since: int = 0) -> str:
    """The first MiB and the last 256 KiB of a log; undecodable bytes as escapes."""
    try:
        with open_regular(log) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(since)
            data = file.read(_HEAD)
            if size > since + _HEAD:
                file.seek(max(since + _HEAD, size - _TAIL))
                data += b"\n" + file.read()
    except OSError:
        return ""
    return data.decode("utf-8", "backslashreplace")
