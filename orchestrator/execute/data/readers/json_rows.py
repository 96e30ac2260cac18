"""JSON in every spelling; also what is said of a file of no known kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.datasets.base import Row
from orchestrator.datasets.fix_json import fixed
from orchestrator.datasets.formats import recognise
from orchestrator.datasets.json_spellings import ARRAY, LINES, WRAPPER, documents, spelling_of, wrapped
from orchestrator.datasets.rows import Numbered, json_array, json_lines
from orchestrator.execute.data.readers.base import Source

SHOWN = 3


def read(source: Source) -> Iterator[Numbered]:
    """The rows, each with the line it begins on.

    Raises:
        RowProblem: the file is in another encoding.
    """
    spelling, key = spelling_of(source.head_as_utf8(), whole=source.whole, is_row=_is_row)
    if spelling == LINES:
        return _lines(source.lines(), source)
    if spelling == ARRAY:
        return json_array(source.chunks())
    if spelling == WRAPPER:
        source.notes.append(f'the rows are the list under "{key}"')
        return wrapped(source.chunks(), key)
    return documents(source.chunks(), source.notes, _is_row)


def _is_row(row: Row) -> bool:
    return recognise(row) is not None


def _lines(lines: Iterable[bytes], source: Source) -> Iterator[Numbered]:
    if not source.reading.fix_json:
        return json_lines(lines)
    return _fixing(lines, source)


def _fixing(lines: Iterable[bytes], source: Source) -> Iterator[Numbered]:
    """The rows, with the number of lines that were fixed said at the end."""
    repaired: list[bytes] = []
    count = 0
    first: list[str] = []

    def hint(line: bytes) -> Row | None:
        row = fixed(line)
        if row is not None:
            repaired.append(line)
        return row

    for number, row in json_lines(lines, hint):
        if repaired:
            repaired.clear()
            count += 1
            if count <= SHOWN:
                first.append(source.place(number))
        yield number, row
    if count:
        source.notes.append(f"{count} lines of broken JSON were fixed, the first at {', '.join(first)}")
