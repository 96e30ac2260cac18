"""JSON lines that a probe or a task left: one line at a time, and which row a line tells of."""

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
    """Every line of the file.

    Raises:
        MissingError: it is not there. StageFailed: a line is no JSON object.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _parsed(line, f"{path}:{number}")
    except OSError:
        raise MissingError(Problem("is not there", str(path), "run the stage that makes it")) from None


def last_line(path: Path) -> bytes:
    """The last line of a file that may be far larger than memory, with its newline where it has one."""
    with path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        tail = b""
        while place and b"\n" not in tail[:-1]:
            step = min(CHUNK, place)
            place = file.seek(place - step)
            tail = file.read(step) + tail
    return tail[:-1].rpartition(b"\n")[2] + tail[-1:]


def key_of(line: Mapping[str, Any]) -> Key:
    """(data set, row) of a line."""
    return line["dataset"], line["row"]


def _parsed(line: str, where: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise StageFailed(Problem("is cut off, or no JSON object", where, "run the stage again"))
    return told
