"""CSV and similar tables. Every cell is text, also NA and 007; no types are guessed."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import islice

from orchestrator.datasets.base import FileProblem, RowProblem, excerpt
from orchestrator.datasets.encodings import AS_UTF8
from orchestrator.datasets.json_text import too_long
from orchestrator.datasets.rows import BOM, Numbered
from orchestrator.execute.data.readers.base import Source, header_of, row_of

DELIMITERS = (",", "\t", ";", "|")
NAMES = {"\t": "tabs", ";": '";"', "|": '"|"', ",": '","'}
SNIFFED = 20
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def read(source: Source) -> Iterator[Numbered]:
    """The rows, each with its first line.

    Raises:
        RowProblem: the file has another encoding.
    """
    delimiter = _delimiter(source.head_as_utf8(), whole=source.whole)
    usual = "\t" if source.shown.lower().removesuffix(".gz").endswith(".tsv") else ","
    if delimiter != usual:
        source.notes.append(f"the columns are separated by {NAMES[delimiter]}")
    csv.field_size_limit(source.limits.row)
    return _rows(source, delimiter)


def _rows(source: Source, delimiter: str) -> Iterator[Numbered]:
    longest = source.limits.row
    lines = csv.reader(_texts(source.lines(), longest), delimiter=delimiter, strict=True)
    header: list[str] = []
    skipped = 0
    while True:
        number = lines.line_num + 1 + skipped
        try:
            cells = next(lines)
        except StopIteration:
            return
        except FileProblem as problem:
            yield number, problem
            return
        except csv.Error as error:
            broken = _broken(str(error), longest)
            yield number, broken
            if isinstance(broken, FileProblem):
                return
            continue
        if not any(cells):
            skipped += 0 if cells else source.skip_blanks()
            continue
        if _NOT_UTF8.search("".join(cells)):
            yield number, RowProblem("encoding", f"a byte is not UTF-8: {excerpt(cells[0])}", AS_UTF8)
            continue
        if header:
            yield number, row_of(header, cells)
            continue
        try:
            header = header_of(cells, source.notes)
        except RowProblem as problem:
            yield number, problem
            return


def _broken(error: str, longest: int) -> RowProblem:
    if "field larger" in error:
        return too_long("a cell (is its quotation mark closed?)", longest)
    if "unexpected end" in error:
        what = "a quotation mark that opens in this line is never closed"
        return FileProblem("not CSV", what, "close it, or double it if it is text")
    return RowProblem("not CSV", error, "double quotation marks inside a cell")


def _texts(lines: Iterable[bytes], longest: int) -> Iterator[str]:
    """Lines as text; a byte that is not UTF-8 becomes a lone surrogate, which valid text never contains.

    Raises:
        FileProblem: a line is too long for a row.
    """
    for number, line in enumerate(lines):
        if len(line) >= longest:
            raise too_long("a line", longest)
        body = line.removeprefix(BOM) if not number else line
        yield body.decode("utf-8", "surrogateescape")


def _delimiter(head: bytes, *, whole: bool) -> str:
    """The delimiter that gives most of the first lines as many cells as the very first."""
    lines = head.decode("utf-8", "replace").removeprefix("\ufeff").splitlines(keepends=True)
    known = lines if whole or len(lines) == 1 else lines[:-1]

    def fitting(delimiter: str) -> tuple[int, int]:
        try:
            rows = [row for row in islice(csv.reader(known, delimiter=delimiter), SNIFFED) if row]
        except csv.Error:
            return 0, 0
        width = len(rows[0]) if rows else 0
        return (sum(len(row) == width for row in rows), width) if width > 1 else (0, 0)

    return max(DELIMITERS, key=fitting)
