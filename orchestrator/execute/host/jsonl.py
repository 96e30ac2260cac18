"""JSON lines files of probes and tasks: one line at a time, and which row a line is about."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.atomic_files import CHUNK

Key = tuple[str, int]


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Every line of the file; MissingError without it, StageFailed for a line that is not a JSON object."""
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _parsed(line, f"{path}:{number}")
    except OSError:
        raise MissingError(Problem("does not exist", str(path), "run the stage that creates it")) from None


def last_line(path: Path) -> bytes:
    """The last line of a file of any size, with its newline if it has one."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        tail = b""
        while position and b"\n" not in tail[:-1]:
            step = min(CHUNK, position)
            position = file.seek(position - step)
            tail = file.read(step) + tail
    return tail[:-1].rpartition(b"\n")[2] + tail[-1:]


def key_of(line: Mapping[str, Any]) -> Key:
    """(dataset, row) of a line."""
    return line["dataset"], line["row"]


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise StageFailed(Problem("is truncated, or not a JSON object", where, "run the stage again"))
    return value
