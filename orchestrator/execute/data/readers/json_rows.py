"""JSON in every notation; also files of an unknown kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.datasets.base import Row
from orchestrator.datasets.formats import recognise
from orchestrator.datasets.json_spellings import ARRAY, LINES, WRAPPER, documents, spelling_of, wrapped
from orchestrator.datasets.json_text import repaired
from orchestrator.datasets.rows import Numbered, json_array, json_lines
from orchestrator.execute.data.readers.base import Source

SHOWN = 3


def read(source: Source) -> Iterator[Numbered]:
    """The rows, each with its first line.

    Raises:
        RowProblem: the file has another encoding.
    """
    spelling, key = spelling_of(source.head_as_utf8(), whole=source.whole, is_row=_is_row)
    longest = source.limits.row
    if spelling == LINES:
        lines = source.lines()
        if source.reading.fix_json:
            return _repairing(lines, source)
        return json_lines(lines, longest=longest, skip=source.skip_blanks)
    if spelling == ARRAY:
        return json_array(source.chunks(), longest)
    if spelling == WRAPPER:
        source.notes.append(f'the rows are the list under "{key}"')
        return wrapped(source.chunks(), key, longest)
    return documents(source.chunks(), source.notes, _is_row, longest)


def _is_row(row: Row) -> bool:
    return recognise(row) is not None


def _repairing(lines: Iterable[bytes], source: Source) -> Iterator[Numbered]:
    """The rows; a note at the end counts the lines that were repaired."""
    is_repaired, count = False, 0
    first: list[str] = []

    def repair(line: bytes) -> Row | None:
        nonlocal is_repaired
        row = repaired(line)
        is_repaired = row is not None
        return row

    for number, row in json_lines(lines, repair, longest=source.limits.row, skip=source.skip_blanks):
        if is_repaired:
            is_repaired = False
            count += 1
            if count <= SHOWN:
                first.append(source.locate(number))
        yield number, row
    if count:
        source.notes.append(f"{count} lines of broken JSON were repaired, the first at {', '.join(first)}")
