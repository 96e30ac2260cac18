"""Reads conversations from a file, for parity without a recipe: as training and as a client uses them.

A line is any row that a format of datasets/ reads, or a list of messages; the file may be one JSON
array of rows. Training gets the row as the format reads it; a client sends the messages unchanged, with
content as a list of parts and a `reasoning` field. Rows that LLaMA-Factory would drop are rejected with their
line; rows that a dataset should not have (empty answers, control tokens) are accepted, to be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO

import orjson

from orchestrator.datasets.base import ASSISTANT, SYSTEM, USER, Conversation, RowProblem
from orchestrator.datasets.faults import faults
from orchestrator.datasets.formats import FORMATS, columns_for, sniff
from orchestrator.datasets.formats.base import read_conversation
from orchestrator.datasets.json_text import LONGEST_ROW
from orchestrator.datasets.rows import Numbered, is_array, json_array, json_lines
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.host.atomic_files import CHUNK, open_regular

# Kinds of faults for which LLaMA-Factory drops a row.
DROPPED = {
    "order of roles",
    "no last answer",
    "no turns",
    "several systems",
    "system in the middle",
    "first turn is an answer",
}
SENT = ("role", "content", "name", "reasoning", "reasoning_content")
LISTED = 10
HINT = 'a line is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'


@dataclass(frozen=True, slots=True)
class Given:
    """One conversation from file:line, as training gets its messages and as a client sends them."""

    where: str
    trained: Conversation
    sent: list[dict[str, object]]


def read_conversations(path: Path) -> list[Given]:
    """Every conversation of a file, in order.

    Raises:
        UsageError: it is a folder, empty or binary, or rows are malformed: the first ones, with their lines.
    """
    if not path.exists():
        raise MissingError(Problem("the file of conversations does not exist", str(path), "check the name"))
    if path.is_dir():
        raise UsageError(Problem("is a folder, not a file of conversations", str(path), "name the file"))
    found: list[Given] = []
    problems: list[Problem] = []
    try:
        with open_regular(path) as file:
            for line, row in _rows(file, path):
                where = f"{path}:{line}"
                try:
                    found.append(_given(where, row))
                except RowProblem as problem:
                    problems.append(Problem(problem.what, where, problem.hint or HINT))
                if len(problems) == LISTED:
                    break
    except OSError as error:
        raise UsageError(Problem(f"cannot be read: {error.strerror}", str(path))) from None
    if problems:
        raise UsageError(*problems)
    if not found:
        raise UsageError(Problem("contains no conversation", str(path), HINT))
    return found


def _rows(file: IO[bytes], path: Path) -> Iterator[Numbered]:
    start = file.read(CHUNK)
    file.seek(0)
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(Problem("is a binary file, not text", str(path), HINT))
    lines = _lines(file, path)
    first = next((line for line in lines if line[1].strip()), None)
    if first is None:
        return iter(())
    if is_array(start) and not _bare_key(first[1]):
        file.seek(0)
        return json_array(iter(lambda: file.read(CHUNK), b""))
    blank = [b"\n"] * (first[0] - 1)
    return json_lines(chain(blank, (_wrapped(text) for _, text in chain([first], lines))))


def _lines(file: IO[bytes], path: Path) -> Iterator[tuple[int, bytes]]:
    """(number, line) with a limit on a line's length."""
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_ROW), b""), start=1):
        if len(line) == LONGEST_ROW:
            what = f"the line is longer than {LONGEST_ROW >> 20} MB"
            raise UsageError(Problem(what, f"{path}:{number}", HINT))
        yield number, line


def _bare_key(line: bytes) -> str:
    """The key for a line that is only a list of messages: "messages", "conversations" or "" if it is not."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return ""
    first = value[0] if isinstance(value, list) and value else None
    if not isinstance(first, dict):
        return ""
    return "messages" if "role" in first else "conversations" if "from" in first else ""


def _wrapped(line: bytes) -> bytes:
    """A list of messages as a row; any other line unchanged."""
    body = line.strip()
    key = _bare_key(body) if body.startswith(b"[") else ""
    return b'{"%s": %s}\n' % (key.encode(), body) if key else line


def _given(where: str, row: Mapping[str, object] | RowProblem) -> Given:
    if isinstance(row, RowProblem):
        raise row
    name = sniff(row)
    if name is None:
        keys = ", ".join(list(row)[:8]) or "none"
        raise RowProblem("shape", f"no format knows this shape (keys: {keys})", HINT)
    row_format = FORMATS[name]
    conversation = read_conversation(row_format, row, columns_for(name, row))
    for problem in faults(conversation):
        if problem.kind in DROPPED:
            raise problem
    plain = {message["role"] for message in conversation} <= {SYSTEM, USER, ASSISTANT}
    sent = _sent(row) if plain else []  # the probe makes the request of a conversation with tools
    return Given(where, conversation, sent or [dict(message) for message in conversation])


def _sent(row: Mapping[str, object]) -> list[dict[str, object]]:
    """The messages unchanged; none if the row has another shape than a chat request."""
    messages = row.get("messages")
    if not isinstance(messages, list):
        return []
    return [{key: message[key] for key in SENT if key in message} for message in messages]
