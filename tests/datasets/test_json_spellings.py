"""Every way of writing rows as JSON is known by its beginning, and read with the lines of its rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.datasets.base import Row, RowProblem
from orchestrator.datasets.json_spellings import (
    ARRAY,
    DOCUMENTS,
    LINES,
    WRAPPER,
    documents,
    spelling_of,
    wrapped,
)

ROW: Row = {"q": "一", "a": "二"}
TALK: Row = {"talk": [{"who": "人", "said": "一"}, {"who": "机", "said": "二"}]}


def is_row(row: Row) -> bool:
    return "q" in row or "talk" in row


def text(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


@pytest.mark.parametrize(
    ("said", "spelling"),
    [
        (text(ROW), (DOCUMENTS, "")),
        (f"{text(ROW)}\n{text(ROW)}\n", (LINES, "")),
        (f"\n\n{text(ROW)}\n\n{text(ROW)}", (LINES, "")),
        (text([ROW], 2), (ARRAY, "")),
        (text(ROW, 2), (DOCUMENTS, "")),
        (f"{text(TALK, 2)}\n{text(TALK, 4)}", (DOCUMENTS, "")),
        (text(TALK, 2), (DOCUMENTS, "")),
        (text({"version": 1, "data": [ROW]}), (WRAPPER, "data")),
        (text({"version": 1, "items": [TALK, TALK]}, 2), (WRAPPER, "items")),
        (text({"一": ROW, "二": ROW}), (DOCUMENTS, "")),
        ('{"q": "一\n{"q": "二"}\n', (LINES, "")),
        ("{\n" + text(ROW), (LINES, "")),
        ("{'q': 1}\n", (LINES, "")),
        ('{"q": 1,}\n{"q": 1,}\n', (LINES, "")),
        ('{\n  "q": "一",\n}', (DOCUMENTS, "")),
        ("嗯\n", (LINES, "")),
        ("3", (LINES, "")),
        ("", (LINES, "")),
    ],
)
def test_the_beginning_says_the_spelling(said: str, spelling: tuple[str, str]) -> None:
    assert spelling_of(said.encode(), whole=True, is_row=is_row) == spelling
    assert spelling_of(b"\xef\xbb\xbf" + said.encode(), whole=True, is_row=is_row) == spelling


@pytest.mark.parametrize("indent", [None, 1])
def test_a_long_wrapper_is_known_before_its_end(indent: int | None) -> None:
    rows = {"version": "1", "rows": [ROW] * 50}
    assert spelling_of(text(rows, indent)[:300].encode(), whole=False, is_row=is_row) == (WRAPPER, "rows")
    talks = text(TALK, indent)[:-1].encode()
    assert spelling_of(talks, whole=False, is_row=is_row) == (DOCUMENTS, "")


def read(value: str) -> tuple[list[tuple[int, Any]], list[str]]:
    notes: list[str] = []
    rows = [
        (number, row.kind if isinstance(row, RowProblem) else row)
        for number, row in documents([value.encode()], notes, is_row)
    ]
    return rows, notes


def test_objects_over_several_lines_have_the_lines_they_begin_on() -> None:
    rows, notes = read(f"{text(ROW, 2)}\n\n{text(TALK, 2)},\n{text(ROW)}")
    assert rows == [(1, ROW), (6, TALK), (18, ROW)]
    assert "over several lines" in notes[0]
    assert read(text(ROW, 2))[0] == [(1, ROW)]
    assert read(f"{text(ROW, 2)}\n{{'q'")[0] == [(1, ROW), (5, "not JSON")]


def test_one_object_may_hold_the_rows_by_name_or_by_column() -> None:
    by_name, notes = read(text({"一": ROW, "二": TALK}))
    assert by_name == [(1, ROW), (2, TALK)]
    assert "by name" in notes[0]
    columns, notes = read(text({"题": ["一", "三"], "a": ["二", "四"]}, 2))
    assert columns == [(1, {"题": "一", "a": "二"}), (2, {"题": "三", "a": "四"})]
    assert "each column" in notes[0]
    assert read(text({"题": {"0": "一"}, "a": {"0": "二"}}))[0] == [(1, {"题": "一", "a": "二"})]
    assert read(text({"题": ["一", "三"], "a": ["二"]}))[0] == [(1, {"题": ["一", "三"], "a": ["二"]})]


def test_a_wrapper_gives_its_rows_and_says_what_follows() -> None:
    data = text({"版本": {"a": [1]}, "data": [ROW, TALK], "n": 2}, 1).encode()
    assert [row for _, row in wrapped([data], "data")] == [ROW, TALK]
    assert [number for number, _ in wrapped([data], "data")] == [8, 12]
    found = [row for _, row in wrapped([data + b"{}"], "data")]
    assert isinstance(found[-1], RowProblem)
    cut = [row for _, row in wrapped([data[:60]], "data")]
    assert isinstance(cut[-1], RowProblem)
    assert cut[-1].kind == "not JSON"
