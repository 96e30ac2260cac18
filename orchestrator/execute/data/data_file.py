"""Opens a user's data file: its rows numbered, its format found, its rows audited. Never writes to it.

The suffix decides how a file is read (readers/), after those of compression; other suffixes are read as JSON.
A folder of such files is read as one, with its rows numbered from file to file.
"""

from __future__ import annotations

import hashlib
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Self

from orchestrator.datasets.audit import Audit, Drop, Rules
from orchestrator.datasets.base import Example, RowProblem
from orchestrator.datasets.formats import FORMATS, recognise, unknown_shape
from orchestrator.datasets.preferences import other_purpose
from orchestrator.datasets.rows import Numbered
from orchestrator.datasets.targets import WriteRow, sharegpt_line
from orchestrator.errors import MissingError, Problem, UsageError, did_you_mean
from orchestrator.execute.data.file_source import SUFFIXES, OneFile, name_of, opened
from orchestrator.execute.data.reader_process import ReaderProcess
from orchestrator.execute.data.readers import READERS
from orchestrator.execute.data.readers.base import Reading
from orchestrator.execute.data.readers.folder import files_of
from orchestrator.execute.data.readers.hashed import HashedFile
from orchestrator.execute.host.signals import check

if TYPE_CHECKING:  # they import pydantic, which `conch data convert` does without
    from orchestrator.datasets.entry import DatasetEntry
    from orchestrator.plan.stages.prepare import DatasetSettings

__all__ = ["SUFFIXES", "AuditedFile", "DataFile", "DataOptions", "Reading", "audited", "choose_format"]

Progress = Callable[[str], None]

# Seconds between two reports of progress.
REPORT_EVERY = 2.0
HINT = "use a data file, or a folder of data files"


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How rows are read, and what is done about faulty ones.

    Attributes:
        format: a name of FORMATS; "" if the first whole row decides.
        columns: the format's column → its name in this file, if it is not the usual one.
        reading: which part of the file is read, and how.
        rules: what is done about faulty rows.
    """

    format: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    rules: Rules = field(default_factory=Rules)

    @classmethod
    def of(cls, entry: DatasetEntry | DatasetSettings, *, thorough: bool = False) -> Self:
        """The options of a dataset; dropping bad rows is not among them."""
        reading = Reading(
            items=entry.items, sheet=entry.sheet, split=entry.split, fix=entry.fix, limits=entry.limits
        )
        return cls(entry.format, entry.columns, reading, Rules(fix=entry.fix, thorough=thorough))


@dataclass
class AuditedFile:
    """An open data file whose rows are audited while they are read.

    Attributes:
        format: the name of its format; sniffed: whether the first whole row decided it.
        audit: counts of what was found.
        source: the file. rows: its numbered rows.
        sha256: of the whole file, once `hash` was called; "" before.
        tools: whether rows may declare tools: their column is named, or the first whole row has it.
    """

    format: str
    sniffed: bool
    audit: Audit
    source: DataFile
    rows: Iterator[Numbered]
    sha256: str = ""
    tools: bool = False

    def examples(self) -> Iterator[tuple[int, Example, bytes]]:
        """The number, the example and the line of every row that is kept."""
        return self.audit.examples(self.rows)

    def hash(self) -> str:
        """The hash of the whole file."""
        self.sha256 = self.source.sha256()
        return self.sha256

    @property
    def purpose(self) -> str:
        """The purpose of its rows."""
        return self.audit.format.purpose

    @property
    def notes(self) -> tuple[str, ...]:
        """How the file was read; complete after the last row."""
        return tuple(self.source.notes)

    def to_json(self) -> dict[str, object]:
        """What the reports of all verbs over a data file share."""
        return {
            "format": self.format,
            "sniffed": self.sniffed,
            "columns": dict(self.audit.columns),
            "notes": list(self.notes),
            **self.audit.counted(),
        }


@contextmanager
def audited(
    path: Path,
    options: DataOptions,
    *,
    shown: str = "",
    most: int | None = None,
    purpose: str = "",
    write: WriteRow = sharegpt_line,
    drop: Callable[[Callable[[int], str]], Drop] | None = None,
    progress: Progress | None = None,
) -> Iterator[AuditedFile]:
    """Open a data file, and find its format.

    Args:
        path: the file, or a folder of files.
        options: how it is read.
        shown: its name, for messages; default: the path.
        most: read so many rows; None for all.
        purpose: refuse rows of another purpose; "" accepts all.
        write: writes a row as one line.
        drop: makes the function that takes dropped rows, from the one that locates rows; for rules.drop_bad.
        progress: called every two seconds with a message.

    Raises:
        MissingError: the file is missing or empty.
        UsageError: the file, its format or a column is unknown, or its rows have another purpose.
        Interrupted: while the rows are read, a signal came.
    """
    shown = shown or str(path)
    ticker = _Ticker(progress)
    with DataFile.open(path, shown, options.reading) as source:
        source.say = ticker.say
        name, rows = choose_format(options.format, islice(source.rows(), most), shown, options.columns)
        row_format = FORMATS[name]
        unknown = [column for column in options.columns if column not in row_format.columns]
        if unknown:
            what = f"the format {name} has no column {', '.join(unknown)}"
            raise UsageError(Problem(what, hint=f"columns: {', '.join(row_format.columns)}"))
        if purpose and row_format.purpose != purpose:
            what, hint = other_purpose(row_format.purpose, purpose, shown)
            whole = (number for number, row in rows if not isinstance(row, RowProblem))
            where = next((source.locate(number) for number in whole), shown)
            raise UsageError(Problem(f"{what} (format {name})", where, hint))
        audit = Audit(
            shown,
            row_format,
            options.columns,
            options.rules,
            write=write,
            locate=source.locate,
            drop=drop(source.locate) if drop and options.rules.drop_bad else None,
            tick=ticker.rows,
        )
        examined = list(_until_whole(rows))
        column = options.columns.get("tools") or row_format.columns.get("tools", "")
        first = [row for _, row in examined if not isinstance(row, RowProblem)]
        tools = "tools" in options.columns or any(column in row for row in first)
        yield AuditedFile(name, not options.format, audit, source, chain(examined, rows), tools=tools)


class _Ticker:
    """Checks for signals, and reports progress every two seconds."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._reported = progress, time.monotonic()

    def rows(self, count: int) -> None:
        """After so many rows."""
        self.say(f"{count} rows read")

    def say(self, message: str) -> None:
        """While a file is read."""
        check()
        if self._progress and time.monotonic() - self._reported > REPORT_EVERY:
            self._reported = time.monotonic()
            self._progress(message)


class DataFile:
    """An open data file, or a folder of them, hashed while it is read.

    What native or foreign code parses is read by a child (reader_process.py).

    Attributes:
        notes: how it was read, if that is not obvious; complete after the last row.
        say: called with a message while a file is read, several times a second where no row comes.
    """

    def __init__(self, files: list[tuple[Path, str]], reading: Reading, notes: list[str]) -> None:
        self._files, self._reading, self.notes = files, reading, notes
        self.say: Progress = lambda _: check()
        # The number before each file's first row, and what stands before a number in a location.
        self._starts: list[int] = []
        self._last = 0
        self._places: list[str] = []
        self._hashed = [HashedFile(path) for path, _ in files[:1]]
        self._child: ReaderProcess | None = None

    @classmethod
    def open(cls, path: Path, shown: str, reading: Reading | None = None) -> Self:
        """Open it; use it in a `with` statement.

        Args:
            path: the file, or a folder of files.
            shown: its name, for messages.
            reading: which part is read, and how.

        Raises:
            MissingError: it is missing or empty.
            UsageError: it is ambiguous which file of a folder is meant.
        """
        reading, notes = reading or Reading(), list[str]()
        if not path.exists():
            raise MissingError(Problem("no such data file", shown, HINT))
        try:
            if path.is_dir():
                kinds = {
                    suffix: READERS[suffix].__module__ if suffix in READERS else suffix for suffix in SUFFIXES
                }
                found = files_of(path, shown, reading.split, kinds, notes)
                files = [(one, f"{shown.rstrip('/')}/{one.relative_to(path).as_posix()}") for one in found]
                return cls(files, reading, notes)
            if not path.is_file():
                raise MissingError(Problem("not a regular file", shown, HINT))
            if not path.stat().st_size:
                raise MissingError(Problem("the file is empty", shown, "add rows"))
            return cls([(path, shown)], reading, notes)
        except PermissionError:
            raise MissingError(Problem("permission denied", shown, "make it readable for you")) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.end()
        for file in self._hashed:
            file.end()

    def rows(self) -> Iterator[Numbered]:
        """The numbered rows, whatever the notation.

        Raises:
            UsageError: the file is not what its suffix says, or it is ambiguous what in it is meant.
        """
        if len(self._files) == 1:
            self._starts.append(0)
            return self._rows_of(0)
        return chain.from_iterable(self._renumbered(file) for file in range(len(self._files)))

    def locate(self, number: int) -> str:
        """The location of a row, for messages."""
        file = max(bisect_right(self._starts, number - 1) - 1, 0)
        if file >= len(self._places):
            return f"{self._files[0][1]}:{number}"
        return f"{self._places[file]}:{number - self._starts[file]}"

    def sha256(self) -> str:
        """The hash of the whole file, including what was not read; of a folder, over its data files."""
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

    def _renumbered(self, file: int) -> Iterator[Numbered]:
        """The rows of one of several files, numbered after those of the file before."""
        start = self._last
        self._starts.append(start)
        number = 0
        for number, row in self._rows_of(file):
            yield start + number, row
        self._last = start + number

    def _rows_of(self, number: int) -> Iterator[Numbered]:
        path, shown = self._files[number]
        raw = self._hashed_file(number)
        file = OneFile(path, name_of(path), shown, path.stat().st_size, self._reading)
        try:
            place, rows = self._in_child(file, raw) if file.foreign else self._here(file, raw)
        except RowProblem as problem:
            place, rows = shown, iter([(1, problem)])
        self._places.append(place)
        return rows

    def _here(self, file: OneFile, raw: HashedFile) -> tuple[str, Iterator[Numbered]]:
        """What stands before a row's number, and the rows."""
        source, rows = opened(raw, file, self.notes, lambda read: self.say(f"{read >> 20} MB read"))
        return source.place, rows

    def _in_child(self, file: OneFile, raw: HashedFile) -> tuple[str, Iterator[Numbered]]:
        if self._child is None:
            self._child = ReaderProcess(self.notes, self.say)
        return self._child.rows(file, raw.fileno())


def _until_whole(rows: Iterator[Numbered]) -> Iterator[Numbered]:
    """The rows up to the first whole one."""
    for numbered in rows:
        yield numbered
        if not isinstance(numbered[1], RowProblem):
            return


def choose_format(
    name: str, rows: Iterator[Numbered], shown: str, columns: Mapping[str, str] | None = None
) -> tuple[str, Iterator[Numbered]]:
    """The name of the format, from the first whole row if it is not given; and all the rows.

    Args:
        name: a format; "" if the row decides.
        rows: of the file.
        shown: the file's name, for messages.
        columns: part → column, as the user named them.

    Raises:
        UsageError: no format has that name, or none recognises the row.
    """
    if name:
        if name not in FORMATS:
            what = f'no format named "{name}"{did_you_mean(name, FORMATS)}'
            raise UsageError(Problem(what, shown, f"formats: {', '.join(FORMATS)}"))
        return name, rows
    examined = list(_until_whole(rows))
    row = next((row for _, row in examined if not isinstance(row, RowProblem)), None)
    if row is None:
        return "alpaca", chain(examined, rows)
    found = recognise(row, columns)
    if found is None:
        what, hint = unknown_shape(row)
        raise UsageError(Problem(what, f"{shown}:{examined[-1][0]}", hint))
    return found[0], chain(examined, rows)
