"""Text for a terminal: what is printed, columns, and tables. Files of a run keep the raw bytes."""

from __future__ import annotations

import io
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

from orchestrator.outside import visible

# Conch's own: dim, red, plain, and the start of a line that is drawn anew.
_OWN = re.compile(r"(\x1b\[(?:2|31|0)m|\r\x1b\[2K)")
_SGR = re.compile(r"\x1b\[[0-9;]*m")
_FALLBACK_SIZE = (100, 24)


def uncoloured(text: str) -> str:
    r"""The text without colour codes.

    >>> uncoloured("\x1b[31m红\x1b[0m")
    '红'
    """
    return _SGR.sub("", text)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    bad: Sequence[bool] = (),
    out: TextIO | None = None,
) -> str:
    """A table as text, as wide as the terminal; wide characters count as two columns.

    Args:
        columns: the headings.
        rows: the cells; escaped here, markup is not interpreted.
        bad: the rows to show in red if `out` is a terminal.
        out: the stream it will be printed on; None for stdout.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    stream = sys.stdout if out is None else out
    drawn = Table(box=box.ROUNDED if _draws(stream) else box.ASCII, show_lines=True)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for number, row in enumerate(rows):
        style = "red" if number < len(bad) and bad[number] else ""
        drawn.add_row(*(Text(visible(cell), style=style) for cell in row))
    width = shutil.get_terminal_size(_FALLBACK_SIZE).columns
    page = io.StringIO()
    console = Console(file=page, force_terminal=stream.isatty(), width=width, markup=False, highlight=False)
    console.print(drawn)
    return page.getvalue().rstrip("\n")


def aligned(rows: Sequence[Sequence[str]], *, indent: str = "") -> list[str]:
    """Rows as lines with aligned cells; a Chinese character takes two columns.

    >>> aligned([["海螺", "a"], ["x", "b"]])
    ['海螺  a', 'x     b']
    """
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    return [
        indent
        + "  ".join(cell + " " * (w - columns(cell)) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def columns(text: str) -> int:
    """The number of terminal columns of a text: two per Chinese character, none per combining mark.

    >>> columns("海螺ok")
    6
    """
    return len(text) if text.isascii() else sum(map(_width, text))


def cut(text: str, width: int) -> str:
    """The text if it fits into `width` columns, else its beginning and an ellipsis.

    >>> cut("神奇海螺", 5)
    '神奇…'
    """
    if columns(text) <= width:
        return text
    start, left = "", width - 1
    for character in text:
        left -= _width(character)
        if left < 0:
            break
        start += character
    return (start + "…") if width > 0 else ""


def local_time(moment: str) -> str:
    """An ISO 8601 time in the local time zone, to the second; "" stays ""."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def emit(text: str, out: TextIO | None = None) -> None:
    """Write text through the gate and flush: everything that Conch prints, its tables on screen apart.

    Control characters become visible, except Conch's own colours on a terminal; secrets are masked; what the
    stream cannot encode becomes an escape. A closed stream (`>&-`) gets nothing.
    """
    from orchestrator.execute.host.redact import redact

    stream = sys.stdout if out is None else out
    if stream is None:
        return
    text = redact(text)
    parts = _OWN.split(text) if stream.isatty() else [text]
    shown = "".join(part if at % 2 else visible(part) for at, part in enumerate(parts))
    encoding = stream.encoding or "utf-8"
    stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _draws(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def _width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
