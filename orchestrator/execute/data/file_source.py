"""The Source of one data file: its suffixes decide how it is unpacked, and which reader reads it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.rows import Numbered
from orchestrator.execute.data.readers import IN_PROCESS, READERS, json_rows
from orchestrator.execute.data.readers.base import Limits, Read, Reading, Source
from orchestrator.execute.data.readers.hashed import BLOCK
from orchestrator.execute.data.readers.packed import PACKED, ZIP, member_of, unpacked, until_damaged

# The first bytes that decide how a file is read.
HEAD = 1 << 20
SUFFIXES = (*READERS, *PACKED, ZIP)


@dataclass(frozen=True, slots=True)
class OneFile:
    """A file that is read on its own.

    Attributes:
        path: where it is opened. name: what its suffixes are read from. shown: its name, for messages.
        size: in bytes. reading: which part is read, and how.
    """

    path: Path
    name: str
    shown: str
    size: int
    reading: Reading

    @property
    def foreign(self) -> bool:
        """Whether code that is not Python's or ours parses it, so that a child reads it."""
        suffix = PurePosixPath(self.name).suffix.lower()
        return suffix in (*PACKED, ZIP) or reader_of(suffix) not in IN_PROCESS

    @property
    def limits(self) -> Limits:
        """What reading it may take."""
        return Limits.of(self.size, self.reading.limits)


def name_of(path: Path) -> str:
    """The name whose suffixes decide. A link may have none; its target does."""
    return path.name if PurePosixPath(path.name).suffix.lower() in SUFFIXES else path.resolve().name


def reader_of(suffix: str) -> Read:
    """The reader of a suffix in lower case; of JSON, where it is unknown."""
    return READERS.get(suffix, json_rows.read)


def opened(
    raw: io.RawIOBase, file: OneFile, notes: list[str], report: Callable[[int], None]
) -> tuple[Source, Iterator[Numbered]]:
    """The file, unpacked, and its rows.

    Args:
        raw: its bytes.
        file: how it is read.
        notes: gets how it was read.
        report: called with the number of bytes that were read.

    Raises:
        UsageError: it is a zip without exactly one data file, or not what its suffix says.
        RowProblem: it cannot be decompressed.
    """
    begin, packed, shown, limits = _plain(raw), False, file.shown, file.limits
    name = file.name
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ZIP:
        name, begin = member_of(begin(), shown, (*READERS, *PACKED), limits)
        shown, packed = f"{shown}/{name}", True
        suffix = PurePosixPath(name).suffix.lower()
    if suffix in PACKED:
        begin, packed = _unpacking(begin, suffix, limits), True
        suffix = PurePosixPath(name.lower().removesuffix(suffix)).suffix
    head = next((row for _, row in until_damaged(_head(begin))), None)
    if isinstance(head, RowProblem):
        raise head
    first = (head or {}).get("head", b"")
    source = Source(
        file.path,
        shown,
        file.reading,
        begin(),
        first,
        len(first) < HEAD,
        packed,
        notes,
        shown,
        limits,
        report,
    )
    rows = reader_of(suffix)(source)
    return source, until_damaged(rows) if packed else rows


def _head(begin: Callable[[], IO[bytes]]) -> Iterator[Numbered]:
    yield 1, {"head": begin().read(HEAD)}


def _plain(raw: io.RawIOBase) -> Callable[[], io.BufferedReader]:
    def begin() -> io.BufferedReader:
        raw.seek(0)
        return io.BufferedReader(raw, BLOCK)

    return begin


def _unpacking(
    begin: Callable[[], IO[bytes]], suffix: str, limits: Limits
) -> Callable[[], io.BufferedReader]:
    return lambda: unpacked(begin(), suffix, limits)
