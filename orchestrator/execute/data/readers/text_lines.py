"""Plain text: each non-blank line is a document, or each paragraph, or the whole file (`--items`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.datasets.base import RowProblem, excerpt
from orchestrator.datasets.encodings import AS_UTF8
from orchestrator.datasets.json_text import too_long
from orchestrator.datasets.rows import BOM, Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Source

LINE, PARAGRAPH, FILE = "line", "paragraph", "file"
NOTES = {
    LINE: 'each line is a row: {"text": …}; --items paragraph or file makes longer ones',
    PARAGRAPH: 'each paragraph, up to an empty line, is a row: {"text": …}',
    FILE: 'each file is a row: {"text": …}',
}


def read(source: Source) -> Iterator[Numbered]:
    """Rows {"text": line}, without trailing white space.

    Raises:
        UsageError: `items` is not a unit of text.
        RowProblem: the file has another encoding.
    """
    unit = source.reading.items or LINE
    if unit not in NOTES:
        what = f"items: {excerpt(unit)} is no part of a text"
        raise UsageError(Problem(what, source.shown, f"one of: {', '.join(NOTES)}"))
    if NOTES[unit] not in source.notes:  # of a folder, once
        source.notes.append(NOTES[unit])
    rows = _rows(source.lines(), source)
    return rows if unit == LINE else _joined(rows, source.limits.row, whole=unit == FILE)


def _joined(rows: Iterator[Numbered], longest: int, *, whole: bool) -> Iterator[Numbered]:
    """The lines of each paragraph, or of the whole file, as one row with the number of the first line."""
    first, last, size, texts = 0, 0, 0, list[str]()
    for number, row in rows:
        if isinstance(row, RowProblem):
            yield number, row
            continue
        blank = number - last - 1 if texts else 0
        if blank and not whole:
            yield first, {"text": "\n".join(texts)}
            texts, size, blank = [], 0, 0
        first = first if texts else number
        size += len(row["text"])
        if size >= longest:
            yield number, too_long("a document", longest)
            return
        texts += [*[""] * blank, row["text"]]
        last = number
    if texts:
        yield first, {"text": "\n".join(texts)}


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
