"""Plain text: each non-blank line is a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.encodings import AS_UTF8
from orchestrator.datasets.json_text import too_long
from orchestrator.datasets.rows import BOM, Numbered
from orchestrator.execute.data.readers.base import Source


def read(source: Source) -> Iterator[Numbered]:
    """Rows {"text": line}, without trailing white space.

    Raises:
        RowProblem: the file has another encoding.
    """
    source.notes.append('each line is a row: {"text": …}')
    return _rows(source.lines(), source)


def _rows(lines: Iterable[bytes], source: Source) -> Iterator[Numbered]:
    number = 0
    for line in lines:
        number += 1
        body = line.removeprefix(BOM) if number == 1 else line
        if len(line) >= source.limits.row:
            yield number, too_long("a line", source.limits.row)
            return
        try:
            text = body.decode("utf-8").rstrip()
        except UnicodeDecodeError as error:
            what = f"byte {error.start + 1} of the line is not UTF-8"
            yield number, RowProblem("encoding", what, AS_UTF8)
            continue
        if text:
            yield number, {"text": text}
        else:
            number += source.skip_blanks()
