"""Markdown in which foreign text is shown, never obeyed: in a line, in a cell, in a code block. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.html.spelling import shown


def fenced(text: str) -> list[str]:
    """A code block whose fence is longer than any run of backticks in the text."""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in text).split()), default=0)
    fence = "`" * max(3, longest + 1)
    return [fence, shown(text), fence]


def cell(text: str) -> str:
    """Text within a line of Markdown, or within a cell of a table: one line, shown as it is."""
    line = " ".join(text.split())
    seen = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    safe = "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|~" else c for c in seen)
    return safe.replace("&", "&amp;")


def table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    """A table of foreign text, its headings Conch's own."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(map(cell, row)) + " |"
