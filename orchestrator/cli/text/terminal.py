r"""Text for a terminal: control characters of foreign text made visible, columns, and tables.

A model's answer, a file name or a child's log may hold escape sequences that clear the screen, write to the
clipboard or change the text direction. Here they become visible, such as \x1b. Files keep the raw bytes.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import TextIO

# Control, format (bidi overrides, zero-width, tags), surrogate, private use, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_SGR = re.compile(r"\x1b\[[0-9;]*m")
_FALLBACK_SIZE = (100, 24)


def visible(text: str) -> str:
    r"""Escape every control and invisible character except newline and tab.

    >>> visible("\x1b[2J你好\u202e")
    '\\x1b[2J你好\\u202e'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def uncoloured(text: str) -> str:
    r"""The text without colour codes.

    >>> uncoloured("\x1b[31m红\x1b[0m")
    '红'
    """
    return _SGR.sub("", text)


def one_line(text: str, limit: int = 0) -> str:
    """The visible text on one line, cut to `limit` characters when that is above 0."""
    line = " ".join(visible(text).split())
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"


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
    """Write text and flush; what the stream cannot encode becomes an escape."""
    stream = sys.stdout if out is None else out
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _draws(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "").startswith("utf")


def _width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")
