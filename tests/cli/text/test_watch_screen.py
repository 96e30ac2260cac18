"""Drawing over oneself, seen by a small terminal that knows no more escapes than are used."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.text.watch_screen import Screen

_PART = re.compile(r"\x1b\[(\d*)([A-Za-z])|(\n|\r)|([^\x1b\n\r]+)")


class Terminal(io.StringIO):
    """Rows of text, endless below; fails on an escape that it does not know."""

    encoding = "utf-8"

    def rows(self) -> list[str]:
        """What is seen."""
        rows, row, column = [""], 0, 0
        for count, escape, control, text in _PART.findall(self.getvalue()):
            many = int(count or 1)
            if escape in {"A", "B"}:
                row = max(0, row + (-many if escape == "A" else many))
            elif escape == "K":
                assert count == "2"
                rows[row] = ""
            elif escape == "J":
                rows[row:] = [rows[row][:column]]
            elif control:
                row, column = row + (control == "\n"), 0
            else:
                assert not escape, f"an unknown escape: {escape}"
                assert column == 0, "a line is written whole"
                rows[row] = text + rows[row][len(text) :]
                column = len(text)
            rows += [""] * (row + 1 - len(rows))
        assert rows[row] == "", "the cursor rests on an empty line"
        return rows[:row]


def test_only_what_changed_is_written() -> None:
    terminal = Terminal()
    screen = Screen(terminal)
    screen.draw(["one", "海螺", "three"], 80, 24)
    before = len(terminal.getvalue())
    screen.draw(["one", "海螺", "three"], 80, 24)
    assert len(terminal.getvalue()) == before
    screen.draw(["one", "海浪", "three"], 80, 24)
    assert terminal.getvalue()[before:] == "\x1b[2A\r\x1b[2K海浪\n\x1b[1B"
    assert terminal.rows() == ["one", "海浪", "three"]


_LINES = st.lists(st.sampled_from(["", "a", "bb", "a long line"]), max_size=6)


@given(st.lists(_LINES, min_size=1, max_size=6))
def test_the_last_picture_is_what_is_seen(pictures: list[list[str]]) -> None:
    terminal = Terminal()
    screen = Screen(terminal)
    for picture in pictures:
        screen.draw(picture, 80, 24)
    assert terminal.rows() == pictures[-1]


def test_a_resize_takes_the_folded_picture_away() -> None:
    terminal = Terminal()
    screen = Screen(terminal)
    screen.draw(["\x1b[1mx\x1b[0m" + "x" * 70, "y"], 80, 24)
    before = len(terminal.getvalue())
    screen.draw(["z"], 40, 24)
    assert terminal.getvalue()[before:] == "\r\x1b[3A\x1b[J\x1b[2Kz\n"


def test_what_others_wrote_stays() -> None:
    terminal = Terminal()
    screen = Screen(terminal)
    screen.draw(["a"], 80, 24)
    screen.forget()
    screen.draw(["a"], 80, 24)
    screen.leave()
    assert terminal.rows() == ["a", "a"]
    assert "\x1b[?" not in terminal.getvalue()
