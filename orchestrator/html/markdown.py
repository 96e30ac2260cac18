"""Markdown in which untrusted text is shown as it is: in a line, a cell, or a code block. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.html.spelling import shown
from orchestrator.outside import one_line


def fenced(text: str) -> list[str]:
    """A code block whose fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, shown(text), fence]


def cell(text: str) -> str:
    """Text for a line of Markdown or a cell of a table: escaped, on one line."""
    safe = "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~" else c for c in one_line(text))
    return safe.replace("&", "&amp;")


def table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    """A table of untrusted text under Conch's own headings."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(map(cell, row)) + " |"
