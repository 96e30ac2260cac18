"""A data file as a person brought it: its rows numbered, and hashed while they are read. Never written to.

Its suffix says how it is read (readers/), after those of packing; a file of another suffix is read as JSON.
A folder of such files is read as one, its rows numbered on from file to file.
"""

from __future__ import annotations

import hashlib
import io
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO, Self, cast

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.formats import FORMATS, recognise, unknown_shape
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import MissingError, Problem, UsageError
from orchestrator.execute.data.readers import READERS, json_rows
from orchestrator.execute.data.readers.base import Read, Reading, Source
from orchestrator.execute.data.readers.folder import files_of
from orchestrator.execute.data.readers.hashed import BLOCK, HashedFile
from orchestrator.execute.data.readers.packed import PACKED, ZIP, member_of, unpacked, until_damaged

__all__ = ["DataFile", "Reading", "choose_format"]

# So many first bytes say how a file is spelled.
HEAD = 1 << 20
HINT = "name a file of rows, or a folder of such files"
SUFFIXES = (*READERS, *PACKED, ZIP)


class DataFile:
    """An open data file, or a folder of them, hashed while it is read.

    Attributes:
        notes: how it was understood, where that is not obvious; whole when the rows were read.
    """

    def __init__(self, files: list[tuple[Path, str]], reading: Reading, notes: list[str]) -> None:
        self._files, self._reading, self.notes = files, reading, notes
        # Where each file's rows begin, and how their places are said.
        self._starts: list[int] = []
        self._last = 0
        self._places: list[Callable[[int], str]] = []
        self._hashed = [HashedFile(path) for path, _ in files[:1]]

    @classmethod
    def open(cls, path: Path, shown: str, reading: Reading | None = None) -> Self:
        """Open it; close it by `with`.

        Args:
            path: the file, or a folder of files.
            shown: its name, as people know it.
            reading: which part is read, and how.

        Raises:
            MissingError: it is not there, or empty.
            UsageError: it is not clear which file of a folder is meant.
        """
        reading, notes = reading or Reading(), list[str]()
        if not path.exists():
            raise MissingError(Problem("no such data file", shown, HINT))
        try:
            if path.is_dir():
                kinds = _kinds()
                found = files_of(path, shown, reading.split, kinds, notes)
                files = [(one, f"{shown.rstrip('/')}/{one.relative_to(path).as_posix()}") for one in found]
                return cls(files, reading, notes)
            if not path.is_file():
                raise MissingError(Problem("it is no regular file", shown, HINT))
            if not path.stat().st_size:
                raise MissingError(Problem("the file is empty", shown, "put rows into it"))
            return cls([(path, shown)], reading, notes)
        except PermissionError:
            raise MissingError(Problem("it may not be read", shown, "give yourself the right to")) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._hashed:
            file.end()

    def rows(self) -> Iterator[Numbered]:
        """The numbered rows, whichever way the file writes them.

        Raises:
            UsageError: the file cannot be read as what it is, or it is not clear what in it is meant.
        """
        if len(self._files) == 1:
            self._starts.append(0)
            return self._rows_of(0)
        return chain.from_iterable(self._moved(number) for number in range(len(self._files)))

    def place(self, number: int) -> str:
        """A row's place, as people know it."""
        file = max(bisect_right(self._starts, number - 1) - 1, 0)
        if file >= len(self._places):
            return f"{self._files[0][1]}:{number}"
        return self._places[file](number - self._starts[file])

    def sha256(self) -> str:
        """The hash of the whole file, also of what was not read; of a folder, over its data files."""
        if len(self._files) == 1:
            return self._hashed[0].sha256()
        digest = hashlib.sha256()
        for number, (path, _) in enumerate(self._files):
            digest.update(f"{path.name} {self._hashed_file(number).sha256()}\n".encode())
        return "sha256:" + digest.hexdigest()

    def _hashed_file(self, number: int) -> HashedFile:
        while len(self._hashed) <= number:
            self._hashed.append(HashedFile(self._files[len(self._hashed)][0]))
        return self._hashed[number]

    def _moved(self, file: int) -> Iterator[Numbered]:
        """The rows of one file of several, numbered on after those of the file before."""
        start = self._last
        self._starts.append(start)
        number = 0
        for number, row in self._rows_of(file):
            yield start + number, row
        self._last = start + number

    def _rows_of(self, file: int) -> Iterator[Numbered]:
        path, shown = self._files[file]
        raw = self._hashed_file(file)
        try:
            source, read = _opened(raw, path, shown, self._reading, self.notes)
            rows = read(source)
            self._places.append(source.place)
        except RowProblem as problem:
            self._places.append(lambda number: f"{shown}:{number}")
            return iter([(1, problem)])
        return until_damaged(rows) if source.packed else rows


def _kinds() -> dict[str, str]:
    """Suffix → the kind of file it says; what is packed is a kind of its own."""
    return {suffix: READERS[suffix].__module__ if suffix in READERS else suffix for suffix in SUFFIXES}


def _opened(
    raw: HashedFile, path: Path, shown: str, reading: Reading, notes: list[str]
) -> tuple[Source, Read]:
    """The file unpacked, and what reads it.

    Raises:
        UsageError: it is a zip without a sole data file.
        RowProblem: it cannot be unpacked.
    """
    # A link may have no suffix; what it names has.
    name = path.name if PurePosixPath(path.name).suffix.lower() in SUFFIXES else path.resolve().name
    begin, packed = _plain(raw), False
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ZIP:
        name, begin = member_of(begin(), shown, (*READERS, *PACKED))
        shown, packed = f"{shown}/{name}", True
        suffix = PurePosixPath(name).suffix.lower()
    if suffix in PACKED:
        begin, packed = _unpacking(begin, suffix), True
        suffix = PurePosixPath(name.lower().removesuffix(suffix)).suffix
    head = next((row for _, row in until_damaged(_head(begin))), None)
    if isinstance(head, RowProblem):
        raise head
    first = (head or {}).get("head", b"")
    source = Source(path, shown, reading, begin(), first, len(first) < HEAD, packed, notes)
    source.place = lambda number: f"{shown}:{number}"
    return source, READERS.get(suffix, json_rows.read)


def _head(begin: Callable[[], IO[bytes]]) -> Iterator[Numbered]:
    yield 1, {"head": begin().read(HEAD)}


def _plain(raw: HashedFile) -> Callable[[], IO[bytes]]:
    def begin() -> IO[bytes]:
        raw.seek(0)
        return cast("IO[bytes]", io.BufferedReader(raw, BLOCK))

    return begin


def _unpacking(begin: Callable[[], IO[bytes]], suffix: str) -> Callable[[], IO[bytes]]:
    return lambda: unpacked(begin(), suffix)


def choose_format(
    named: str, rows: Iterator[Numbered], shown: str, given: Mapping[str, str] | None = None
) -> tuple[str, Iterator[Numbered]]:
    """The format's name, found by the first whole row unless it was named; and all the rows.

    Args:
        named: a format; "" when the row decides.
        rows: of the file.
        shown: the file's name, as people know it.
        given: part → column, as the user said it.

    Raises:
        UsageError: no format has that name, or none knows the row's shape.
    """
    if named:
        if named not in FORMATS:
            raise UsageError(Problem(f'no format named "{named}"', shown, f"formats: {', '.join(FORMATS)}"))
        return named, rows
    looked_at = []
    for numbered in rows:
        looked_at.append(numbered)
        if not isinstance(numbered[1], RowProblem):
            break
    row = next((row for _, row in looked_at if not isinstance(row, RowProblem)), None)
    if row is None:
        return "alpaca", chain(looked_at, rows)
    found = recognise(row, given)
    if found is None:
        what, hint = unknown_shape(row)
        raise UsageError(Problem(what, f"{shown}:{looked_at[-1][0]}", hint))
    return found[0], chain(looked_at, rows)
