"""JSON lines, or one JSON array, as numbered rows. Streaming: memory is one row's, whatever the file's. Pure.

What a file holds decides, not its name: `[` first is an array (other spellings: json_spellings.py), anything
else is one object a line.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from orchestrator.datasets.base import FileProblem, Row, RowProblem, excerpt, type_name
from orchestrator.datasets.encodings import AS_UTF8, MARKS, SHOWN
from orchestrator.datasets.json_text import LONGEST_ROW, JsonText, strict_decoder

Numbered = tuple[int, Row | RowProblem]
Fix = Callable[[bytes], Row | None]

BOM = codecs.BOM_UTF8
# What is usually wrong with a line, and what fixes it.
_HABITS = (
    (re.compile(rb"^\s*[{\[]?\s*\{?'"), "that is Python's spelling: write it with json.dumps"),
    (re.compile(rb"\b(NaN|-?Infinity)\b"), "write null for NaN, or leave the row out"),
    (re.compile(rb"\b(None|True|False)\b"), "that is Python's spelling: write it with json.dumps"),
    (re.compile(rb",\s*[}\]]|\},\s*$"), "delete the comma before the bracket or the line's end"),
    (re.compile(rb"\}\s*\{"), "write one object a line"),
    (re.compile(rb"(^|[,{}\]\s])(//|/\*)"), "delete the comment: JSON has none"),
)


def is_array(start: bytes) -> bool:
    """Whether a file that starts with these bytes is one JSON array."""
    return start.removeprefix(BOM).lstrip()[:1] == b"["


def json_lines(lines: Iterable[bytes], hint: Fix | None = None) -> Iterator[Numbered]:
    """One row a line, numbered from 1; blank lines are passed over.

    A key that is written twice is found although the parser takes the last: a line has as many colons as
    keys, or as many `":`, or is read again, slowly. It is missed only in a line whose texts hold colons
    and in which another key stands apart from its colon, which no program writes.

    Args:
        lines: each with its line feed.
        hint: tried on a line that is not JSON.
    """
    loads, error = orjson.loads, orjson.JSONDecodeError
    for number, line in enumerate(lines, start=1):
        if len(line) >= LONGEST_ROW:
            what = f"a line of more than {LONGEST_ROW >> 20} MB"
            yield number, FileProblem("too long", what, "write one object a line")
            return
        try:
            row = loads(line)
        except error as why:
            if found := _odd_line(number, line, str(why), hint):
                yield number, found
            continue
        if type(row) is not dict:
            yield number, _not_an_object(row)
        elif (len(row) == 1 and line.find(b":", line.find(b":") + 1) < 0) or line.count(b":") == len(row):
            yield number, row
        else:
            yield number, _looked_at(line, row)


def _keys(value: Any) -> int:
    """How many keys the objects in a value have, in all."""
    if type(value) is dict:
        return len(value) + sum(_keys(item) for item in value.values() if type(item) in (dict, list))
    return sum(_keys(item) for item in value if type(item) in (dict, list))


def _looked_at(line: bytes, row: Row) -> Row | RowProblem:
    """The row, or which key is written twice in it."""
    try:
        if line.count(b'":') == _keys(row):
            return row
        strict_decoder().decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        if "twice" in str(error):
            return RowProblem("duplicate key", str(error), "delete one of the two")
    return row


def _odd_line(number: int, line: bytes, why: str, hint: Fix | None) -> Row | RowProblem | None:
    """What a line holds that is not JSON as it stands; None when it is blank."""
    body = line
    if number == 1:
        body = line.removeprefix(BOM)
        marked = next((name for mark, name in MARKS if line.startswith(mark)), "")
        if marked:
            return FileProblem("encoding", f"the file is {SHOWN[marked]}", AS_UTF8)
    if not body.strip():
        return None
    if body is not line:
        return next((row for _, row in json_lines([body], hint)), None)
    if hint is not None and (row := hint(line)) is not None:
        return row
    return _not_json(line, why, ended=line.endswith(b"\n"))


def _not_json(line: bytes, why: str, *, ended: bool) -> RowProblem:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = excerpt(line[: error.start + 8].decode("utf-8", "replace")[-40:])
        what = f"byte {error.start + 1} of the line is not UTF-8: {shown}"
        return RowProblem("encoding", what, AS_UTF8)
    said, _, place = why.partition(": line ")
    if "surrogate" in said:
        what = f"half a character (a lone surrogate) in {excerpt(text.strip())}"
        return RowProblem("encoding", what, "write the whole character, or leave the row out")
    column = re.search(r"column (\d+)", place)
    at = f"column {column[1]}: " if column else ""
    cut = (
        ""
        if ended or line.rstrip().endswith(b"}")
        else "; it is the last line and has no end: the file looks cut off"
    )
    habit = next((hint for pattern, hint in _HABITS if pattern.search(line)), "one whole JSON object a line")
    return RowProblem("not JSON", f"{at}{said}{cut}: {excerpt(text.strip())}", habit)


def _not_an_object(value: object) -> RowProblem:
    return RowProblem("shape", f"a row is {type_name(value)}: {excerpt(value)}", "a row is a JSON object")


def json_array(chunks: Iterable[bytes]) -> Iterator[Numbered]:
    """The objects of one JSON array, each with the line it begins on; ends at the first syntax error."""
    text = text_of(chunks)
    return until_broken(text, _array(text))


def text_of(chunks: Iterable[bytes]) -> JsonText:
    """A file's bytes as a text to take values from."""
    return JsonText(codecs.iterdecode(chunks, "utf-8-sig"))


def until_broken(text: JsonText, rows: Iterator[Numbered]) -> Iterator[Numbered]:
    """The rows; what ends them before their end becomes the last one."""
    try:
        yield from rows
    except UnicodeDecodeError:
        yield text.line, FileProblem("encoding", "a byte after this line is not UTF-8", AS_UTF8)
    except RowProblem as problem:
        yield text.line, FileProblem(problem.kind, problem.what, problem.hint)


def _array(text: JsonText) -> Iterator[Numbered]:
    yield from elements(text)
    if text.next_char():
        yield text.line, FileProblem("not JSON", "there is something after the array's end", "delete it")


def elements(text: JsonText) -> Iterator[Numbered]:
    """Take an array, element by element.

    Raises:
        RowProblem: it is not JSON.
    """
    text.expect("[")
    if text.next_char() == "]":
        text.expect("]")
        return
    while True:
        yield element(text)
        if text.expect(",]") == "]":
            return


def element(text: JsonText) -> Numbered:
    """Take one value, which is to be a row.

    Raises:
        RowProblem: it is not JSON.
    """
    text.next_char()
    line, value = text.line, text.value()
    return line, as_row(value)


def as_row(value: Any) -> Row | RowProblem:
    """A value that is to be a row."""
    if not isinstance(value, dict):
        return _not_an_object(value)
    try:
        orjson.dumps(value)
    except TypeError:
        what = f"half a character (a lone surrogate) in {excerpt(ascii(value))}"
        return RowProblem("encoding", what, AS_UTF8)
    return value


__all__ = ["LONGEST_ROW", "Numbered", "is_array", "json_array", "json_lines"]
