"""Workbooks (xlsx, xls, ods): one sheet, with its cells as they are displayed.

The parser keeps all sheets in memory, also the empty cells between others: the limit of the child ends it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Source, header_of, row_of

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook


def read(source: Source) -> Iterator[Numbered]:
    """The rows, each with its row number in the sheet.

    Raises:
        UsageError: the file is not a workbook, is locked or the sheet is ambiguous.
    """
    source.refuse_packed()
    import python_calamine as calamine

    try:
        book = calamine.CalamineWorkbook.from_path(str(source.path))
        sheet = _sheet(book, source)
    except calamine.PasswordError:
        raise UsageError(
            Problem("the workbook is locked with a password", source.shown, "unlock it")
        ) from None
    except (calamine.CalamineError, calamine.ZipError, calamine.XmlError, OSError) as error:
        what = f"cannot read the workbook: {error}"
        raise UsageError(Problem(what, source.shown, "save it again as .xlsx or .csv")) from None
    source.place = f"{source.shown}!{sheet.name}"
    return _rows(sheet, source)


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
