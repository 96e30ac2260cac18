"""Lines and arrays as numbered rows: every odd file has its line and a reason, and none a traceback."""
# Covers datasets/json_text.py

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.base import FileProblem, RowProblem
from orchestrator.datasets.rows import is_array, json_array, json_lines


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def lines(data: bytes) -> list[tuple[int, Any]]:
    return [(line, row) for line, row in json_lines(data.splitlines(keepends=True))]


def array(data: bytes, size: int = 7) -> list[tuple[int, Any]]:
    return [(line, row) for line, row in json_array(pieces(data, size))]


def told(found: list[tuple[int, Any]]) -> list[tuple[int, str, str]]:
    return [(line, row.kind, row.what) for line, row in found if isinstance(row, RowProblem)]


def test_lines_are_numbered_and_blank_ones_passed_over() -> None:
    assert lines('{"a":"一"}\r\n\n  \n{"a":"二"}'.encode()) == [(1, {"a": "一"}), (4, {"a": "二"})]


def test_a_byte_order_mark_is_passed_over() -> None:
    assert lines(b'\xef\xbb\xbf{"a":1}\n') == [(1, {"a": 1})]
    assert array(b'\xef\xbb\xbf[{"a":1}]') == [(1, {"a": 1})]


def test_only_a_line_feed_ends_a_line() -> None:
    """Case 25: NEL and U+2028 are text."""
    row = {"a": "x\u2028y\x85z"}
    data = json.dumps(row, ensure_ascii=False).encode() + b"\n"
    assert [found for _, found in json_lines(iter([data]))] == [row]


@pytest.mark.parametrize(
    ("data", "line", "kind", "said"),
    [
        (b'{"a":1}\n{"a":\n{"b":2}\n', 2, "not JSON", '{"a":'),
        (b'{"a":1}\n{"a":"x', 2, "not JSON", "cut off"),
        (b'{"a": NaN}\n', 1, "not JSON", "NaN"),
        (b"{'a': 1}\n", 1, "not JSON", "'a'"),
        (b'{"a":1,"b":2,"a":3}\n', 1, "duplicate key", '"a"'),
        (b'{"m":[{"a":":","b":1,"a":3}]}\n', 1, "duplicate key", "twice"),
        (b'["a"]\n', 1, "shape", "a list"),
        (b"3\n", 1, "shape", "a number"),
        (b'{"a":"\xff"}\n', 1, "encoding", "byte 7"),
        ('{"a":"蟹堡"}\n'.encode("gb18030"), 1, "encoding", "not UTF-8"),
        ('{"a":1}\n'.encode("utf-16"), 1, "encoding", "UTF-16"),
        (rb'{"a":"\ud83d"}', 1, "encoding", "surrogate"),
        (b'{"a":"\x1b[31m"}\n', 1, "not JSON", "\\x1b"),
    ],
)
def test_a_bad_line_has_its_number_and_a_reason(data: bytes, line: int, kind: str, said: str) -> None:
    """Cases 21 and 22."""
    found = told(lines(data))[0]
    assert found[:2] == (line, kind)
    assert said in found[2]
    assert "\x1b" not in found[2]


def test_rows_after_a_bad_line_are_still_read() -> None:
    assert lines(b'{\n{"a":1}\n')[1] == (2, {"a": 1})


@pytest.mark.parametrize(
    "data", [b'[{"a":1},\n{"a":2},\n]', b'[{"a":1},{"a', b'[{"a":1}]\n{}', b'[{"a":1},\n\xff]']
)
def test_what_ends_a_file_is_told_from_a_bad_row(data: bytes) -> None:
    last = [row for _, row in json_array([data])][-1]
    assert isinstance(last, FileProblem)
    assert not any(isinstance(row, FileProblem) for _, row in lines(b'{"a":1}\n{"a\n\xff\n3\n'))


def test_a_row_however_deep_and_however_spaced_is_read() -> None:
    deep = '{"a": ' + "[" * 1000 + "]" * 1000 + ', "b": "一:二"}\n'
    assert [number for number, _ in lines(deep.encode())] == [1]
    row = {"a": '问："b":', "b": [{"a": 1}, {"a": "2:"}]}
    for spelled in (json.dumps(row), json.dumps(row, separators=(" , ", " : ")), orjson.dumps(row).decode()):
        assert lines(f"{spelled}\n".encode()) == [(1, row)]


def test_an_array_is_known_by_its_first_character() -> None:
    assert is_array(b" \n[{}]")
    assert is_array(b"\xef\xbb\xbf[")
    assert not is_array(b'{"a": [')
    assert not is_array(b"")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_array_comes_in_any_pieces(size: int) -> None:
    data = '[\n {"a": "一\\n[]"},\n\n {"a": {"b": [1, 2.5]}}\n]\n'.encode()
    assert array(data, size) == [(2, {"a": "一\n[]"}), (4, {"a": {"b": [1, 2.5]}})]
    assert array(b"[ ]", size) == []


@pytest.mark.parametrize(
    ("data", "line", "kind", "said"),
    [
        (b'[{"a":1},\n{"a":2},\n]', 3, "not JSON", "]"),
        (b'[{"a":1}\n{"a":2}]', 2, "not JSON", "expected , or ]"),
        (b'[{"a":1},\n{"a":"x', 2, "not JSON", "Unterminated"),
        (b'[{"a":1}', 1, "not JSON", "cut off"),
        (b'[{"a":1}]\n{"b":2}', 2, "not JSON", "after the end of the array"),
        (b'[{"a":NaN}]', 1, "not JSON", "NaN"),
        (b'[{"a":1,"a":2}]', 1, "duplicate key", "twice"),
        (b'[\n{"a":1 "b":2}, {"a":1}]', 2, "not JSON", "delimiter"),
        (b'["a"]', 1, "shape", "text"),
        (rb'[{"a":"\ud83d"}]', 1, "encoding", "surrogate"),
        (b'[{"a":"\xff\xff\xff"}]', 1, "encoding", "UTF-8"),
        (b"[" * 100_000, 1, "not JSON", ""),
    ],
)
def test_a_bad_array_has_a_line_and_a_reason(data: bytes, line: int, kind: str, said: str) -> None:
    found = told(array(data))[0]
    assert found[:2] == (line, kind)
    assert said in found[2]


texts = st.dictionaries(st.text(), st.text() | st.lists(st.text()) | st.none())


@given(st.lists(texts), st.integers(1, 40))
def test_what_was_written_is_read(rows: list[dict[str, Any]], size: int) -> None:
    data = orjson.dumps(rows, option=orjson.OPT_INDENT_2)
    assert [row for _, row in array(data, size)] == rows
    assert [row for _, row in json_lines(orjson.dumps(row) + b"\n" for row in rows)] == rows


@given(st.binary(max_size=60))
def test_nothing_makes_a_traceback(data: bytes) -> None:
    lines(data)
    array(b"[" + data)
