"""Workbooks (xlsx, xls, ods): one sheet, its cells as they are displayed."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.rows import Numbered
from orchestrator.datasets.table_header import header_of, row_of
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Source
from orchestrator.execute.data.readers.packed import DAMAGE
from orchestrator.execute.host.atomic_files import CHUNK

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

# The parser holds a whole sheet in memory.
LARGEST = 1 << 30
# Bytes that it takes for a cell, also for an empty one (calamine's DataRef).
CELL = 24
# The place of a cell that is not empty.
_PLACE = re.compile(rb"""<(?:\w+:)?c\s[^<>]*?\br\s*=\s*["']([A-Za-z]{1,8})([0-9]{1,32})["'][^<>]*(?<!/)>""")
LONGEST_PLACE = 256


def read(source: Source) -> Iterator[Numbered]:
    """The rows, each with its row in the sheet.

    Raises:
        UsageError: it is no workbook, is locked or too large, or it is not clear which sheet is meant.
    """
    source.refuse_packed()
    _check_size(source)
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_path(str(source.path.resolve()))
        sheet = _sheet(book, source)
    except calamine.PasswordError:
        raise UsageError(Problem("the workbook is locked by a password", source.shown, "unlock it")) from None
    except (calamine.CalamineError, calamine.ZipError, calamine.XmlError, OSError) as error:
        what = f"it is no workbook that can be read: {error}"
        raise UsageError(Problem(what, source.shown, "save it anew as .xlsx or .csv")) from None
    source.place = lambda number: f"{source.shown}!{sheet.name}:{number}"
    return _rows(sheet, source)


def _check_size(source: Source) -> None:
    size = source.path.stat().st_size
    try:
        if zipfile.is_zipfile(source.path):
            with zipfile.ZipFile(source.path) as parts:
                size = max(sum(part.file_size for part in parts.infolist()), _spread(parts))
    except DAMAGE as error:
        what = f"it is no whole workbook: {error}"
        raise UsageError(Problem(what, source.shown, "save it anew as .xlsx or .csv")) from None
    if size > LARGEST:
        what = f"the workbook would take {size >> 20} MB of memory, as it is read with its empty cells"
        raise UsageError(Problem(what, source.shown, "save the sheet as CSV"))


def _spread(parts: zipfile.ZipFile) -> int:
    """Bytes that the parser takes for the widest sheet of an xlsx: it keeps the empty cells between, too.

    One cell far out, at XFD1048576, would have it ask for 400 GB, and end the process.
    """
    widest = 0
    for name in parts.namelist():
        if not name.startswith("xl/worksheets/") or not name.endswith(".xml"):
            continue
        rows, columns = {1}, {1}
        with parts.open(name) as file:
            rest = b""
            for chunk in iter(partial(file.read, CHUNK), b""):
                for letters, digits in set(_PLACE.findall(rest + chunk)):
                    rows.add(int(digits))
                    columns.add(_column(letters))
                rows, columns = {max(rows)}, {max(columns)}
                rest = chunk[-LONGEST_PLACE:]
        widest = max(widest, max(rows) * max(columns))
    return widest * CELL


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number


def _sheet(book: CalamineWorkbook, source: Source) -> CalamineSheet:
    names = book.sheet_names
    wanted = source.reading.sheet
    if wanted and wanted not in names:
        what = f'there is no sheet "{wanted}"'
        raise UsageError(Problem(what, source.shown, f"its sheets: {', '.join(names)}"))
    if wanted:
        return book.get_sheet_by_name(wanted)
    filled = [sheet for sheet in map(book.get_sheet_by_name, names) if sheet.height]
    if not filled:
        raise UsageError(Problem("every sheet is empty", source.shown, "put rows into one"))
    if len(filled) > 1:
        what = f"{len(filled)} sheets hold something: {', '.join(sheet.name for sheet in filled)}"
        raise UsageError(Problem(what, source.shown, f"say which: --sheet {filled[0].name}"))
    if len(names) > 1:
        source.notes.append(f"read is the sheet {filled[0].name}; the others are empty")
    return filled[0]


def _rows(sheet: CalamineSheet, source: Source) -> Iterator[Numbered]:
    header: list[str] = []
    first = (sheet.start or (0, 0))[0] + 1
    for number, values in enumerate(sheet.to_python(skip_empty_area=True), start=first):
        cells = [_displayed(value) for value in values]
        if not any(cells):
            continue
        if header:
            yield number, row_of(header, cells)
            continue
        try:
            header = header_of(cells, source.notes)
        except RowProblem as problem:
            yield number, problem
            return


def _displayed(value: Any) -> str:
    """A cell as text: 3 for 3.0, TRUE, 2024-01-05."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
