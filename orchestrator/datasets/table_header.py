"""The first line of a table: what its columns are called, or why it is no header. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.datasets.base import FileProblem, Row, RowProblem, excerpt

LONGEST_NAME = 40
ENDS = tuple("。？！?!；;")
HINT = "write the columns' names into the first line, e.g. 问题 and 答案"


def header_of(cells: Sequence[str], notes: list[str]) -> list[str]:
    """The names of the columns, trimmed; a nameless one is called by its number.

    Args:
        cells: the first line's.
        notes: told which names were trimmed.

    Raises:
        RowProblem: a cell is no name, or two are the same.
    """
    names = [cell.strip().removeprefix("\ufeff") for cell in cells]
    for name in names:
        sentence = len(name) > LONGEST_NAME or name.endswith(ENDS) or "\n" in name
        if sentence or name.replace(".", "", 1).isdigit():
            shown = ", ".join(excerpt(cell) for cell in cells[:4])
            raise FileProblem("no header", f"the first line is no header: {shown}", HINT)
    named = [name or f"column {number}" for number, name in enumerate(names, start=1)]
    twice = next((name for name in named if named.count(name) > 1), "")
    if twice:
        raise FileProblem("header", f"two columns are called {excerpt(twice)}", "rename one of them")
    trimmed = [cell for cell in cells if cell != cell.strip()]
    if trimmed:
        notes.append(f"columns' names were trimmed: {', '.join(excerpt(cell) for cell in trimmed)}")
    return named


def row_of(header: Sequence[str], cells: Sequence[str]) -> Row | RowProblem:
    """A row, all of whose cells are text; a line with another number of cells is none."""
    if len(cells) != len(header):
        what = f"{len(cells)} cells under {len(header)} columns: {excerpt(' | '.join(cells))}"
        return RowProblem("ragged row", what, "put a cell that holds the delimiter in double quotes")
    return dict(zip(header, cells, strict=True))
