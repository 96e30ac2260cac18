"""JSON lines, or one JSON array, as numbered rows. Streaming: memory for one row only. Pure.

The content of a file decides, not its name: a file that begins with `[` is an array (other notations:
json_spellings.py), any other has one object a line.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator

import orjson

from orchestrator.datasets.base import FileProblem, Row, RowProblem, excerpt, type_name
from orchestrator.datasets.encodings import AS_UTF8, MARKS, SHOWN
from orchestrator.datasets.json_text import LONGEST_ROW, JsonText, is_json, strict_decoder, too_long

Numbered = tuple[int, Row | RowProblem]
RepairLine = Callable[[bytes], Row | None]

BOM = codecs.BOM_UTF8
# Common mistakes in a line, and how to fix them.
_HINTS = (
    (re.compile(rb"^\s*[{\[]?\s*\{?'"), "this is Python's notation: write it with json.dumps"),
    (re.compile(rb"\b(NaN|-?Infinity)\b"), "write null for NaN, or drop the row"),
    (re.compile(rb"\b(None|True|False)\b"), "this is Python's notation: write it with json.dumps"),
    (re.compile(rb",\s*[}\]]|\},\s*$"), "delete the comma before the bracket or the line's end"),
    (re.compile(rb"\}\s*\{"), "write one object a line"),
    (re.compile(rb"(^|[,{}\]\s])(//|/\*)"), "delete the comment: JSON has none"),
)


def is_array(start: bytes) -> bool:
    """Whether a file that starts with these bytes is one JSON array."""
    return start.removeprefix(BOM).lstrip()[:1] == b"["


def json_lines(
    lines: Iterable[bytes],
    repair: RepairLine | None = None,
    *,
    longest: int = LONGEST_ROW,
    skip: Callable[[], int] = int,
) -> Iterator[Numbered]:
    """One row a line, numbered from 1; blank lines are skipped.

    The parser takes the last of duplicate keys, so they are found by counting: a line has as many colons as
    keys, or as many `":`, or is parsed again, slowly. They are missed only in a line whose texts contain
    colons and in which another key stands apart from its colon, which no program writes.

    Args:
        lines: each with its line feed.
        repair: tried on a line that is not JSON.
        longest: a line of so many bytes ends the rows.
        skip: called after a blank line; skips more of them, and returns how many.
    """
    loads, error = orjson.loads, orjson.JSONDecodeError
    lines, number, skipped = iter(lines), 0, 1
    while skipped:
        first, skipped = number + skipped, 0
        for number, line in enumerate(lines, start=first):
            if len(line) >= longest:
                yield number, too_long("a line", longest)
                return
            try:
                row = loads(line)
            except error as why:
                if found := _not_json_line(number, line, str(why), repair):
                    yield number, found
                elif skipped := skip():
                    skipped += 1
                    break
                continue
            if type(row) is not dict:
                yield number, _not_an_object(row)
            elif (len(row) == 1 and line.find(b":", line.find(b":") + 1) < 0) or line.count(b":") == len(row):
                yield number, row
            else:
                yield number, _without_duplicate_keys(line, row)


def _keys(value: object) -> int:
    """The number of keys of all objects in a value."""
    if type(value) is dict:
        return len(value) + sum(_keys(item) for item in value.values() if type(item) in (dict, list))
    if type(value) is list:
        return sum(_keys(item) for item in value if type(item) in (dict, list))
    return 0


def _without_duplicate_keys(line: bytes, row: Row) -> Row | RowProblem:
    """The row, or the problem of its duplicate key."""
    try:
        if line.count(b'":') == _keys(row):
            return row
        strict_decoder().decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        if "twice" in str(error):
            return RowProblem("duplicate key", str(error), "delete one of the two")
    return row


def _not_json_line(number: int, line: bytes, why: str, repair: RepairLine | None) -> Row | RowProblem | None:
    """The row or the problem of a line that orjson refuses; None if the line is blank."""
    body = line
    if number == 1:
        body = line.removeprefix(BOM)
        marked = next((name for mark, name in MARKS if line.startswith(mark)), "")
        if marked:
            return FileProblem("encoding", f"the file is {SHOWN[marked]}", AS_UTF8)
    if not body.strip():
        return None
    if body is not line:
        return next((row for _, row in json_lines([body], repair)), None)
    if repair is not None and (row := repair(line)) is not None:
        return row
    return _not_json(line, why, ended=line.endswith(b"\n"))


def _not_json(line: bytes, why: str, *, ended: bool) -> RowProblem:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = excerpt(line[: error.start + 8].decode("utf-8", "replace")[-40:])
        what = f"byte {error.start + 1} of the line is not UTF-8: {shown}"
        return RowProblem("encoding", what, AS_UTF8)
    message, _, position = why.partition(": line ")
    if "surrogate" in message:
        return _lone_surrogate(text.strip())
    column = re.search(r"column (\d+)", position)
    at = f"column {column[1]}: " if column else ""
    cut = (
        "" if ended or line.rstrip().endswith(b"}") else "; the last line has no end: the file looks cut off"
    )
    hint = next((hint for pattern, hint in _HINTS if pattern.search(line)), "write one JSON object a line")
    return RowProblem("not JSON", f"{at}{message}{cut}: {excerpt(text.strip())}", hint)


def _lone_surrogate(text: str) -> RowProblem:
    what = f"half a character (a lone surrogate) in {excerpt(text)}"
    return RowProblem("encoding", what, "write the whole character, or drop the row")


def _not_an_object(value: object) -> RowProblem:
    return RowProblem("shape", f"a row is {type_name(value)}: {excerpt(value)}", "write a JSON object")


def json_array(chunks: Iterable[bytes], longest: int = LONGEST_ROW) -> Iterator[Numbered]:
    """The objects of one JSON array, each with its first line; ends at the first syntax error."""
    text = text_of(chunks, longest)
    return until_broken(text, _array(text))


def text_of(chunks: Iterable[bytes], longest: int = LONGEST_ROW) -> JsonText:
    """The bytes of a file as JSON text."""
    return JsonText(codecs.iterdecode(chunks, "utf-8-sig"), longest)


def until_broken(text: JsonText, rows: Iterator[Numbered]) -> Iterator[Numbered]:
    """The rows; an error that ends them becomes the last one."""
    try:
        yield from rows
    except UnicodeDecodeError:
        yield text.line, FileProblem("encoding", "a byte after this line is not UTF-8", AS_UTF8)
    except RowProblem as problem:
        yield text.line, FileProblem(problem.kind, problem.what, problem.hint)


def _array(text: JsonText) -> Iterator[Numbered]:
    yield from elements(text)
    if text.next_char():
        yield text.line, FileProblem("not JSON", "text after the end of the array", "delete it")


def elements(text: JsonText) -> Iterator[Numbered]:
    """Consume an array, element by element.

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
    """Consume one value, which must be a row.

    Raises:
        RowProblem: it is not JSON.
    """
    text.next_char()
    line, value = text.line, text.value()
    return line, as_row(value)


def as_row(value: object) -> Row | RowProblem:
    """A value that must be a row."""
    if not isinstance(value, dict):
        return _not_an_object(value)
    return value if is_json(value) else _lone_surrogate(ascii(value))
