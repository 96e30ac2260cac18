"""The file of rows that were left out: there only when there are any, and whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.ledger import ledger_line
from orchestrator.execute.host.output_file import OutputFile


class DroppedRows:
    """A ledger that begins with its first row.

    Args:
        stack: what closes it. path: its name. place: a row's number → where that is, for people.
    """

    def __init__(self, stack: ExitStack, path: Path, place: Callable[[int], str]) -> None:
        self._stack, self._path, self._place = stack, path, place
        self._file: OutputFile | None = None

    def add(self, number: int, found: list[RowProblem], row: Any) -> None:
        """List one; what an audit is given as `drop`."""
        if self._file is None:
            self._file = self._stack.enter_context(OutputFile.create(self._path, force=True))
        self._file.write(ledger_line(self._place(number), found, row))

    def finish(self) -> Path | None:
        """Give the file its name; None when no row was left out."""
        if self._file is None:
            return None
        self._file.finish()
        return self._path
