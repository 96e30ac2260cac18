"""What a reader gets, an open file and options, and what several readers share."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from orchestrator.datasets.base import FileProblem, Row, RowProblem, excerpt
from orchestrator.datasets.encodings import UTF8, as_utf8, encoding_of, refusal
from orchestrator.datasets.json_text import LONGEST_ROW, RAISE_LIMITS
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.host.atomic_files import CHUNK

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LONGEST_NAME = 40
SENTENCE_ENDS = tuple("。？！?!；;")
# Few, because a column of few large values may be small in the file and large in every row.
BATCH = 32
# More are not a table, but another delimiter, or made to take time.
MOST_COLUMNS = 10_000
# A text is seldom a tenth of its size when it is compressed, never a hundredth.
EXPANDED, SMALLEST_EXPANDED = 100, 64 << 20
# A workbook is kept whole by its parser: six times its size for Chinese text, more where it repeats itself.
MEMORY, MEMORY_FOR_A_BYTE, LARGEST_MEMORY = 208 << 20, 16, 2 << 30
SECONDS, BYTES_A_SECOND = 8, 1 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """Which part of a file is read, and how.

    Attributes:
        items: of XML, the path of a row's element; of a text, line, paragraph or file.
        sheet: of a workbook. split: of a saved dataset.
        fix: convert other encodings to UTF-8.
        fix_json: repair lines that are not JSON.
        limits: what Limits are multiplied by.
    """

    items: str = ""
    sheet: str = ""
    split: str = ""
    fix: bool = False
    fix_json: bool = False
    limits: int = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading a file may take, so that a small one cannot exhaust the machine.

    Attributes:
        row: bytes of a row.
        total: bytes of the file when it is unpacked, and of the rows that a child sends.
        memory: bytes that a child allocates. seconds: of processor time that it takes without a row.
    """

    row: int = LONGEST_ROW
    total: int = SMALLEST_EXPANDED
    memory: int = MEMORY
    seconds: int = SECONDS

    @classmethod
    def of(cls, size: int, factor: int) -> Self:
        """The limits for a file of so many bytes."""
        memory = min(max(MEMORY, size * MEMORY_FOR_A_BYTE), LARGEST_MEMORY)
        total = max(SMALLEST_EXPANDED, size * EXPANDED)
        seconds = SECONDS + size // BYTES_A_SECOND
        return cls(LONGEST_ROW * factor, total * factor, memory * factor, seconds * factor)

    def exceeded(self) -> FileProblem:
        """The problem of a file that expands too far."""
        what = f"the file expands to more than {self.total >> 20} MB, far more than its size"
        return FileProblem("too large", what, f"use the file that it is made from; {RAISE_LIMITS}")


class Metered(io.RawIOBase):
    """Bytes from elsewhere, as many as the limits allow."""

    def __init__(self, chunks: Callable[[int], bytes], limits: Limits | None = None) -> None:
        self._chunks, self._limits = chunks, limits
        self._rest, self._count = memoryview(b""), 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes.

        Raises:
            FileProblem: there are more than the limits allow.
        """
        into = memoryview(buffer)
        if not self._rest:
            self._rest = memoryview(self._chunks(len(into)))
        count = min(len(into), len(self._rest))
        into[:count], self._rest = self._rest[:count], self._rest[count:]
        self._count += count
        if self._limits is not None and self._count > self._limits.total:
            raise self._limits.exceeded()
        return count


@dataclass
class Source:
    """An open file.

    Attributes:
        path: the file. shown: its name, for messages.
        stream: its bytes from the beginning, decompressed.
        head: the first of them. whole: whether they are the whole file.
        packed: whether the file is compressed, so that the stream has no random access.
        notes: how the file was read; readers add to them.
        place: what stands before a row's number in its location; a reader may replace it.
        limits: what reading it may take.
        report: called with how many bytes were read, also where they hold no row.
        read: bytes of the stream that were read; not counted while it is read by lines.
    """

    path: Path
    shown: str
    reading: Reading
    stream: io.BufferedReader
    head: bytes = b""
    whole: bool = False
    packed: bool = False
    notes: list[str] = field(default_factory=list)
    place: str = ""
    limits: Limits = Limits()
    report: Callable[[int], None] = lambda _: None
    read: int = 0

    def locate(self, number: int) -> str:
        """The location of a row."""
        return f"{self.place}:{number}"

    def chunks(self) -> Iterator[bytes]:
        """The bytes in UTF-8.

        Raises:
            RowProblem: they have another encoding, and `fix` is not set.
        """
        encoding = self._encoding()
        chunks = self._reported(self.stream)
        return chunks if encoding == UTF8 else as_utf8(chunks, encoding)

    def _reported(self, stream: io.BufferedReader) -> Iterator[bytes]:
        while chunk := stream.read(CHUNK):
            self.passed(len(chunk))
            yield chunk

    def passed(self, count: int) -> None:
        """Report that so many bytes more were read."""
        self.read += count
        self.report(self.read)

    def lines(self) -> Iterable[bytes]:
        """The lines in UTF-8; a line that is too long for a row arrives in parts.

        Raises:
            RowProblem: as chunks.
        """
        if self._encoding() != UTF8:
            chunks = self.chunks()
            self.stream = io.BufferedReader(Metered(lambda _: next(chunks, b"")), CHUNK)
            # It is UTF-8 from here on.
            self.head = b""
        return iter(partial(self.stream.readline, self.limits.row), b"")

    def blanks(self) -> Iterator[bytes]:
        """The blank blocks that follow, consumed; there may be gigabytes, too many to read line by line."""
        while (block := self.stream.peek()).isspace():
            self.stream.read(len(block))
            self.passed(len(block))
            yield block

    def skip_blanks(self) -> int:
        """Skip the blank blocks that follow. Returns how many lines they end."""
        return sum(block.count(b"\n") for block in self.blanks())

    def head_as_utf8(self) -> bytes:
        """The first bytes in UTF-8.

        Raises:
            RowProblem: as chunks.
        """
        encoding = self._encoding()
        return self.head if encoding == UTF8 else b"".join(as_utf8([self.head], encoding))

    def refuse_packed(self) -> None:
        """For formats that need random access.

        Raises:
            UsageError: the file is compressed.
        """
        if self.packed:
            raise UsageError(
                Problem("cannot read this format while it is compressed", self.shown, "unpack it")
            )

    def _encoding(self) -> str:
        encoding = encoding_of(self.head)
        if encoding != UTF8:
            if not self.reading.fix:
                raise refusal(encoding)
            note = f"read as {encoding}"
            if note not in self.notes:
                self.notes.append(note)
        return encoding


Read = Callable[[Source], Iterator[Numbered]]


def header_of(cells: Sequence[str], notes: list[str]) -> list[str]:
    """The column names in the first line of a table, trimmed; a column without a name gets its number.

    Args:
        cells: of the first line.
        notes: gets the names that were trimmed.

    Raises:
        RowProblem: a cell is not a name, two names are equal, or there are too many.
    """
    if len(cells) > MOST_COLUMNS:
        what = f"the first line has {len(cells)} cells, more than {MOST_COLUMNS} columns"
        raise FileProblem("header", what, "write the column names into the first line, one a column")
    names = [cell.strip().removeprefix("\ufeff") for cell in cells]
    for name in names:
        sentence = len(name) > LONGEST_NAME or name.endswith(SENTENCE_ENDS) or "\n" in name
        if sentence or name.replace(".", "", 1).isdigit():
            shown = ", ".join(excerpt(cell) for cell in cells[:4])
            hint = "write the column names into the first line, e.g. 问题 and 答案"
            raise FileProblem("no header", f"the first line is not a header: {shown}", hint)
    header = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    twice = next((name for name, count in Counter(header).items() if count > 1), "")
    if twice:
        raise FileProblem("header", f"two columns are named {excerpt(twice)}", "rename one of them")
    trimmed = [cell for cell in cells if cell != cell.strip()]
    if trimmed:
        notes.append(f"trimmed column names: {', '.join(excerpt(cell) for cell in trimmed)}")
    return header


def row_of(header: Sequence[str], cells: Sequence[str]) -> Row | RowProblem:
    """A row whose cells are all text; a problem if the number of cells is wrong."""
    if len(cells) != len(header):
        what = f"{len(cells)} cells under {len(header)} columns: {excerpt(' | '.join(cells))}"
        return RowProblem("ragged row", what, "put a cell that contains the delimiter in double quotes")
    return dict(zip(header, cells, strict=True))


class Batch(Protocol):
    """pyarrow.RecordBatch."""

    num_rows: int

    def slice(self, start: int, length: int, /) -> Self:
        """Some of its rows."""

    def to_pylist(self) -> list[Row]:
        """Its rows as objects."""


def batch_rows(batches: Iterator[Batch], source: Source, hint: str) -> Iterator[Numbered]:
    """The rows of pyarrow's batches, numbered from 1.

    Raises:
        UsageError: the file is damaged.
    """
    import pyarrow as pa

    number = 0
    try:
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH):
                for row in batch.slice(start, BATCH).to_pylist():
                    number += 1
                    yield number, row
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        what = f"the file is damaged after row {number}: {str(error).splitlines()[0]}"
        raise UsageError(Problem(what, source.shown, hint)) from None


def check_columns(names: Sequence[str], shown: str) -> None:
    """Check column names before rows are built.

    Raises:
        UsageError: there are none (a damaged count of empty rows may be billions), or two are equal, of which
            a row would keep one.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if not names or twice:
        what = f'two columns are named "{twice[0]}"' if twice else "the file has no columns"
        raise UsageError(Problem(what, shown, "write the file again"))
