"""What a reader gets, an open file and options, and what several readers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Protocol, Self

from orchestrator.datasets.base import FileProblem, Row, RowProblem, excerpt
from orchestrator.datasets.encodings import UTF8, as_utf8, encoding_of, lines_of, refusal
from orchestrator.datasets.json_text import LONGEST_ROW
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.host.atomic_files import CHUNK

LONGEST_NAME = 40
SENTENCE_ENDS = tuple("。？！?!；;")
BATCH = 512


@dataclass(frozen=True, slots=True)
class Reading:
    """Which part of a file is read, and how.

    Attributes:
        items: of XML, the path of a row's element. sheet: of a workbook. split: of a saved dataset.
        fix: convert other encodings to UTF-8.
        fix_json: repair lines that are not JSON.
    """

    items: str = ""
    sheet: str = ""
    split: str = ""
    fix: bool = False
    fix_json: bool = False


@dataclass
class Source:
    """An open file.

    Attributes:
        path: the file. shown: its name, for messages.
        stream: its bytes from the beginning, decompressed.
        head: the first of them. whole: whether they are the whole file.
        packed: whether the file is compressed, so that the stream has no random access.
        notes: how the file was read; readers add to them.
        locate: a row's number → its location; a reader may replace it.
    """

    path: Path
    shown: str
    reading: Reading
    stream: IO[bytes]
    head: bytes = b""
    whole: bool = False
    packed: bool = False
    notes: list[str] = field(default_factory=list)
    locate: Callable[[int], str] = str

    def chunks(self) -> Iterator[bytes]:
        """The bytes in UTF-8.

        Raises:
            RowProblem: they have another encoding, and `fix` is not set.
        """
        chunks = iter(partial(self.stream.read, CHUNK), b"")
        encoding = self._encoding()
        return chunks if encoding == UTF8 else as_utf8(chunks, encoding)

    def lines(self) -> Iterable[bytes]:
        """The lines in UTF-8; a line that is too long for a row arrives in parts.

        Raises:
            RowProblem: as chunks.
        """
        if self._encoding() != UTF8:
            return lines_of(self.chunks())
        return iter(partial(self.stream.readline, LONGEST_ROW), b"")

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
        RowProblem: a cell is not a name, or two names are equal.
    """
    names = [cell.strip().removeprefix("\ufeff") for cell in cells]
    for name in names:
        sentence = len(name) > LONGEST_NAME or name.endswith(SENTENCE_ENDS) or "\n" in name
        if sentence or name.replace(".", "", 1).isdigit():
            shown = ", ".join(excerpt(cell) for cell in cells[:4])
            hint = "write the column names into the first line, e.g. 问题 and 答案"
            raise FileProblem("no header", f"the first line is not a header: {shown}", hint)
    header = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    twice = next((name for name in header if header.count(name) > 1), "")
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
