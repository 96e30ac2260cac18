"""Workbooks (xlsx, xls, ods): one sheet, with its cells as they are displayed."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Source, header_of, row_of
from orchestrator.execute.data.readers.packed import DAMAGE
from orchestrator.execute.host.atomic_files import CHUNK

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

# The parser keeps a whole sheet in memory.
LARGEST = 1 << 30
# Its memory for a cell, also for an empty one (calamine's DataRef).
CELL = 24
# The reference of a cell that is not empty.
_REFERENCE = re.compile(
    rb"""<(?:\w+:)?c\s[^<>]*?\br\s*=\s*["']([A-Za-z]{1,8})([0-9]{1,32})["'][^<>]*(?<!/)>"""
)
LONGEST_REFERENCE = 256


def read(source: Source) -> Iterator[Numbered]:
    """The rows, each with its row number in the sheet.

    Raises:
        UsageError: the file is not a workbook, is locked or too large, or the sheet is ambiguous.
    """
    source.refuse_packed()
    _check_size(source)
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_path(str(source.path.resolve()))
        sheet = _sheet(book, source)
    except calamine.PasswordError:
        raise UsageError(
            Problem("the workbook is locked with a password", source.shown, "unlock it")
        ) from None
    except (calamine.CalamineError, calamine.ZipError, calamine.XmlError, OSError) as error:
        what = f"cannot read the workbook: {error}"
        raise UsageError(Problem(what, source.shown, "save it again as .xlsx or .csv")) from None
    source.locate = lambda number: f"{source.shown}!{sheet.name}:{number}"
    return _rows(sheet, source)


def _check_size(source: Source) -> None:
    size = source.path.stat().st_size
    try:
        if zipfile.is_zipfile(source.path):
            with zipfile.ZipFile(source.path) as parts:
                size = max(sum(part.file_size for part in parts.infolist()), _spread(parts))
    except DAMAGE as error:
        what = f"the workbook is damaged: {error}"
        raise UsageError(Problem(what, source.shown, "save it again as .xlsx or .csv")) from None
    if size > LARGEST:
        what = f"the workbook would take {size >> 20} MB of memory, including empty cells"
        raise UsageError(Problem(what, source.shown, "save the sheet as CSV"))


def _spread(parts: zipfile.ZipFile) -> int:
    """The parser's memory for the widest sheet of an xlsx; it also stores the empty cells in between.

    A single cell at XFD1048576 would take 400 GB and end the process.
    """
    widest = 0
    for name in parts.namelist():
        if not name.startswith("xl/worksheets/") or not name.endswith(".xml"):
            continue
        rows, columns = {1}, {1}
        with parts.open(name) as file:
            rest = b""
            for chunk in iter(partial(file.read, CHUNK), b""):
                for letters, digits in set(_REFERENCE.findall(rest + chunk)):
                    rows.add(int(digits))
                    columns.add(_column(letters))
                rows, columns = {max(rows)}, {max(columns)}
                rest = chunk[-LONGEST_REFERENCE:]
        widest = max(widest, max(rows) * max(columns))
    return widest * CELL


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number


def _sheet(book: CalamineWorkbook, source: Source) -> CalamineSheet:
    names = book.sheet_names
    name = source.reading.sheet
    if name and name not in names:
        what = f'no sheet named "{name}"'
        raise UsageError(Problem(what, source.shown, f"sheets: {', '.join(names)}"))
    if name:
        return book.get_sheet_by_name(name)
    filled = [sheet for sheet in map(book.get_sheet_by_name, names) if sheet.height]
    if not filled:
        raise UsageError(Problem("every sheet is empty", source.shown, "add rows to one"))
    if len(filled) > 1:
        what = f"{len(filled)} sheets are not empty: {', '.join(sheet.name for sheet in filled)}"
        raise UsageError(Problem(what, source.shown, f"choose one: --sheet {filled[0].name}"))
    if len(names) > 1:
        source.notes.append(f"sheet {filled[0].name}; the others are empty")
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


def _displayed(value: object) -> str:
    """A cell as text: 3 for 3.0, TRUE, 2024-01-05."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)
