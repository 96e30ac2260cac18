"""Plain text: each non-blank line is a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.datasets.base import FileProblem, RowProblem
from orchestrator.datasets.encodings import AS_UTF8
from orchestrator.datasets.json_text import LONGEST_ROW
from orchestrator.datasets.rows import BOM, Numbered
from orchestrator.execute.data.readers.base import Source


def read(source: Source) -> Iterator[Numbered]:
    """Rows {"text": line}, without trailing white space.

    Raises:
        RowProblem: the file has another encoding.
    """
    source.notes.append('each line is a row: {"text": …}')
    return _rows(source.lines())


def _rows(lines: Iterable[bytes]) -> Iterator[Numbered]:
    for number, line in enumerate(lines, start=1):
        body = line.removeprefix(BOM) if number == 1 else line
        if len(body) >= LONGEST_ROW:
            yield number, FileProblem("too long", f"a line of more than {LONGEST_ROW >> 20} MB", "split it")
            return
        try:
            text = body.decode("utf-8").rstrip()
        except UnicodeDecodeError as error:
            what = f"byte {error.start + 1} of the line is not UTF-8"
            yield number, RowProblem("encoding", what, AS_UTF8)
            continue
        if text:
            yield number, {"text": text}
