"""Markdown shows foreign text and obeys none of it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.html.markdown import cell, fenced, table


@given(st.text())
def test_fault_097_a_cell_is_one_line_and_one_cell(text: str) -> None:
    made = cell(text)
    assert len(made.splitlines()) <= 1
    assert not re.search(r"(?<!\\)(?:\\\\)*[|<`]", made)


@given(st.text(alphabet="`~a\n "))
def test_fault_097_a_fence_is_longer_than_what_it_holds(text: str) -> None:
    opening, _, closing = fenced(text)
    assert opening == closing
    assert opening not in text
    assert set(opening) == {"`"}


def test_fault_097_nothing_invisible_stands_in_a_block() -> None:
    assert fenced("a\u202eb\x1b[2J\nc")[1] == "a\\u202eb\\x1b[2J\nc"


def test_a_table_has_as_many_cells_as_headings() -> None:
    assert list(table(["a", "b"], [["x|y", "1\n2"]])) == ["| a | b |", "|---|---|", "| x\\|y | 1 2 |"]
