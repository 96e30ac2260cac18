"""The terminal: nothing that a model says moves the cursor (faults 98), wide characters line up."""

from __future__ import annotations

import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from orchestrator.cli.text.terminal import columns, cut, emit, table
from orchestrator.outside import one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x9b31m\x90\x8d", "\\x9b31m\\x90\\x8d"),
        ("safe\rEVIL", "safe\\rEVIL"),
        ("a\bb", "a\\x08b"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("a\u200bb\ufeff\u2060", "a\\u200bb\\ufeff\\u2060"),
        ("a\u2028b", "a\\u2028b"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("海螺\n\té", "海螺\n\té"),
        ("[red]x[/red]", "[red]x[/red]"),
    ],
)
def test_fault_098_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters()))
def test_fault_098_nothing_hidden_is_left(text: str) -> None:
    shown = visible(text)
    assert not [
        c for c in shown if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]
    assert visible(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"])))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert visible(text) == text


def test_one_line_is_one_line() -> None:
    assert one_line("\n\n我是\n神奇 海螺\x1b") == "我是 神奇 海螺\\x1b"
    assert one_line("abcdef", 4) == "abc…"


class Stream(io.StringIO):
    """A stream of an encoding of choice, terminal or not."""

    def __init__(self, encoding: str, *, terminal: bool = False) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]  # read-only is enough here
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


def test_a_table_lines_up_with_wide_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    drawn = table(("问", "answer"), [("请问你是谁", "我是神奇海螺。" * 5), ("who", "[bold]x[/bold]\x1b[2J")])
    widths = {cell_len(line) for line in drawn.splitlines()}
    assert len(widths) == 1
    assert max(widths) <= 60
    assert "[bold]x[/bold]\\x1b[2J" in drawn


def test_a_plain_stream_gets_no_colours_and_ascii_gets_ascii_lines() -> None:
    rows = [("a", "b")]
    assert "\x1b" not in table(("x", "y"), rows, bad=[True], out=Stream("utf-8"))
    assert table(("x", "y"), rows, out=Stream("ascii")).isascii()


def test_a_terminal_gets_bad_rows_in_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    drawn = table(("x",), [("good",), ("bad",)], bad=[False, True], out=Stream("utf-8", terminal=True))
    assert "\x1b[31mbad" in drawn
    assert "\x1b[31mgood" not in drawn


def test_fault_090_what_a_stream_cannot_encode_is_escaped() -> None:
    stream = Stream("ascii")
    emit("海\n", stream)
    assert stream.getvalue() == "\\u6d77\n"


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"])), st.integers(0, 30))
def test_a_cut_text_fits(text: str, width: int) -> None:
    shown = cut(text, width)
    assert columns(shown) <= width
    assert shown == text or columns(text) > width


def test_a_mark_takes_no_column() -> None:
    assert (columns("e\u0301"), columns("海螺e\u0301"), columns("abc")) == (1, 5, 3)
    assert cut("神奇海螺", 6) == "神奇…"
