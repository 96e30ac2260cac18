"""What a reader gets: an open file, how it is to be read, and where to say how it was understood."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from orchestrator.datasets.encodings import UTF8, as_utf8, encoding_of, lines_of, refusal
from orchestrator.datasets.json_text import LONGEST_ROW
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.host.atomic_files import CHUNK


@dataclass(frozen=True, slots=True)
class Reading:
    """Which part of a file is read, and how.

    Attributes:
        items: of XML: the path of a row's element. sheet: of a workbook. split: of a saved data set.
        fix: read what is not written as it should be (encodings) as what it was meant to be.
        fix_json: repair broken JSON, a line at a time.
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
        path: the file on this machine. shown: its name, as people know it.
        stream: its bytes, unpacked, from their beginning.
        head: the first of them. whole: whether they are all.
        packed: whether the file is compressed, so that the stream cannot be read out of order.
        notes: how it was understood; a reader adds to them.
        place: a row's place by its number; a reader may change it.
    """

    path: Path
    shown: str
    reading: Reading
    stream: IO[bytes]
    head: bytes = b""
    whole: bool = False
    packed: bool = False
    notes: list[str] = field(default_factory=list)
    place: Callable[[int], str] = str

    def chunks(self) -> Iterator[bytes]:
        """The bytes in UTF-8.

        Raises:
            RowProblem: they are in another encoding, and `fix` is not set.
        """
        chunks = iter(partial(self.stream.read, CHUNK), b"")
        encoding = self._encoding()
        return chunks if encoding == UTF8 else as_utf8(chunks, encoding)

    def lines(self) -> Iterable[bytes]:
        """The same as lines; a longer one than any row may be comes in parts.

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
        """For formats that are read out of order.

        Raises:
            UsageError: the file is compressed.
        """
        if self.packed:
            raise UsageError(Problem("this format is not read while it is packed", self.shown, "unpack it"))

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
