"""The notations for rows in JSON: lines, an array, objects one after another, a wrapper. Pure.

    {"data": [row, …]}          any one key that holds a list of objects
    {"id 1": row, "id 2": row}  rows by name
    {"question": […], …}        one list for each column, or {"0": …, "1": …}

The beginning of a file decides: `spelling_of`. All but the last two are read as a stream.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping

import orjson

from orchestrator.datasets.base import FileProblem, Row, RowProblem
from orchestrator.datasets.json_text import LONGEST_ROW, JsonText, strict_decoder
from orchestrator.datasets.rows import (
    BOM,
    Numbered,
    as_row,
    element,
    elements,
    is_array,
    text_of,
    until_broken,
)

LINES = "lines"
ARRAY = "array"
DOCUMENTS = "documents"
WRAPPER = "wrapper"
# Whether a format recognises a row.
IsRow = Callable[[Row], bool]


def spelling_of(head: bytes, *, whole: bool, is_row: IsRow) -> tuple[str, str]:
    """The notation of a file, and the key that holds the rows if it is a wrapper.

    Args:
        head: its first bytes, in UTF-8.
        whole: whether they are the whole file.
        is_row: whether a format recognises a row.
    """
    if is_array(head):
        return ARRAY, ""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head.removeprefix(BOM)).lstrip()
    first, _, rest = text.partition("\n")
    if _parses(first):
        alone = whole and not rest.strip()
        return _of_one(json.loads(first), is_row) if alone else (LINES, "")
    if not _goes_on(first, rest, whole=whole):
        return LINES, ""
    try:
        value, end = strict_decoder().raw_decode(text)
    except (ValueError, RecursionError):
        key = _wrapping_key(text, is_row)
        return (WRAPPER, key) if key else (DOCUMENTS, "")
    return _of_one(value, is_row) if whole and not text[end:].strip() else (DOCUMENTS, "")


def _parses(line: str) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _goes_on(first: str, rest: str, *, whole: bool) -> bool:
    """Whether the object that begins in the first line continues in the next."""
    if not first.startswith("{"):
        return False
    if not rest.strip():
        return not whole and not rest
    second = next(line for line in rest.split("\n") if line.strip())
    try:
        strict_decoder().raw_decode(first)
    except json.JSONDecodeError as error:
        ends = error.pos >= len(first.rstrip()) and not error.msg.startswith("Unterminated")
        # If the next line is an object, the first line was cut off.
        return ends and not (first.rstrip().endswith(("{", ",")) and _parses(second))
    except (ValueError, RecursionError):
        return False
    return False


def _of_one(value: object, is_row: IsRow) -> tuple[str, str]:
    """The notation of a file that holds one value."""
    if not isinstance(value, dict) or is_row(value):
        return DOCUMENTS if isinstance(value, dict) else LINES, ""
    keys = [
        key for key, rows in value.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)
    ]
    return (WRAPPER, keys[0]) if len(keys) == 1 else (DOCUMENTS, "")


def _wrapping_key(text: str, is_row: IsRow) -> str:
    """The key of a wrapper that begins like this; "" if its first list does not hold rows."""
    begun = JsonText(iter([text]))
    try:
        begun.expect("{")
        while True:
            key = str(begun.value())
            begun.expect(":")
            if begun.next_char() == "[":
                begun.expect("[")
                return key if begun.next_char() == "{" and is_row(begun.value()) else ""
            begun.value()
            begun.expect(",")
    except RowProblem:
        return ""


def wrapped(chunks: Iterable[bytes], key: str, longest: int = LONGEST_ROW) -> Iterator[Numbered]:
    """The objects of the list under a key of the one object, each with its line."""
    text = text_of(chunks, longest)
    return until_broken(text, _under(text, key))


def _under(text: JsonText, rows_key: str) -> Iterator[Numbered]:
    text.expect("{")
    while True:
        key = text.value()
        text.expect(":")
        if key == rows_key and text.next_char() == "[":
            yield from elements(text)
        else:
            text.value()
        if text.expect(",}") == "}":
            break
    if text.next_char():
        yield text.line, FileProblem("not JSON", "text after the end of the object", "delete it")


def documents(
    chunks: Iterable[bytes], notes: list[str], is_row: IsRow, longest: int = LONGEST_ROW
) -> Iterator[Numbered]:
    """Objects one after another, whatever their line breaks; a single one may hold all the rows."""
    text = text_of(chunks, longest)
    return until_broken(text, _documents(text, notes, is_row))


def _documents(text: JsonText, notes: list[str], is_row: IsRow) -> Iterator[Numbered]:
    if not text.next_char():
        return
    number, row = element(text)
    if not text.next_char():
        yield from _alone(number, row, notes, is_row)
        return
    notes.append("objects one after another, each over several lines")
    yield number, row
    while text.next_char():
        if text.next_char() == ",":
            text.expect(",")
        yield element(text)


def _alone(number: int, row: Row | RowProblem, notes: list[str], is_row: IsRow) -> Iterator[Numbered]:
    """The rows of a file that is one object."""
    if isinstance(row, RowProblem):
        yield number, row
        return
    for way, found in (("rows by name", _by_name(row, is_row)), ("one list for each column", _columns(row))):
        # Lists of texts under a row's own keys are columns: no part of a row is a list of texts.
        if found and (not is_row(row) or _holds_texts(row)):
            notes.append(f"one object: {way}; rows are numbered in their order")
            for position, each in enumerate(found, start=1):
                yield position, as_row(each)
            return
    notes.append("one object: one row")
    yield number, row


def _by_name(row: Row, is_row: IsRow) -> list[object]:
    values = list(row.values())
    fits = values and all(isinstance(value, dict) for value in values) and is_row(values[0])
    return values if fits else []


def _holds_texts(row: Row) -> bool:
    """Whether there are at least two keys, and each holds a list of two or more texts."""
    lists = [column for column in row.values() if isinstance(column, list) and len(column) > 1]
    texts = all(isinstance(text, str) for column in lists for text in column)
    return texts and len(lists) == len(row) > 1


def _columns(row: Row) -> list[object]:
    columns = [list(value.values()) if isinstance(value, Mapping) else value for value in row.values()]
    lists = [column for column in columns if isinstance(column, list) and column]
    if len(lists) < len(row) or len(lists) == 1 or len({len(column) for column in lists}) != 1:
        return []
    return [dict(zip(row, each, strict=True)) for each in zip(*lists, strict=True)]
