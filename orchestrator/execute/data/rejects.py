"""The file of dropped rows: one line for each, with its location and the reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

import orjson

from orchestrator.datasets.audit import Drop
from orchestrator.datasets.base import Row, RowProblem, excerpt
from orchestrator.execute.host.output_file import OutputFile


class RejectsFile:
    """The file of dropped rows, which exists only if there are any.

    Args:
        stack: closes it. path: its name.
    """

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self._stack, self._path = stack, path
        self._file: OutputFile | None = None

    def taker(self, locate: Callable[[int], str]) -> Drop:
        """The `drop` of the audit of a file whose rows are located so."""

        def take(number: int, problems: list[RowProblem], row: Row | None) -> None:
            if self._file is None:
                self._file = self._stack.enter_context(OutputFile.create(self._path, force=True))
            self._file.write(reject_line(locate(number), problems, row))

        return take

    def finish(self) -> Path | None:
        """Make the file appear; None if no row was dropped."""
        if self._file is None:
            return None
        self._file.finish()
        return self._path


def reject_line(where: str, problems: Iterable[RowProblem], row: Row | None) -> bytes:
    r"""{"where", "kinds", "what", "row"} of a dropped row.

    A row that cannot be written as JSON (half a character, nested too deeply) becomes text, cut.

    >>> reject_line("a:1", [RowProblem("null", "空")], {"output": "\ud83d"})
    b'{"where":"a:1","kinds":["null"],"what":["\xe7\xa9\xba"],"row":"{\'output\': \'\\\\ud83d\'}"}\n'
    """
    problems = list(problems)
    line = {
        "where": where,
        "kinds": sorted({problem.kind for problem in problems}),
        "what": [problem.what for problem in problems],
        "row": row,
    }
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return orjson.dumps({**line, "row": excerpt(row)}, option=orjson.OPT_APPEND_NEWLINE)
