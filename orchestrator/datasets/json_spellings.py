"""The ways in which people write rows as JSON: lines, an array, objects one after another, a wrapper. Pure.

    {"data": [row, …]}          any one key that holds a list of objects
    {"id 1": row, "id 2": row}  rows by a name
    {"question": […], …}        a list for each column, or {"0": …, "1": …}

What a file is, its beginning decides: `spelling_of`. Each way but the last two is read as a stream.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson

from orchestrator.datasets.base import FileProblem, Row, RowProblem
from orchestrator.datasets.json_text import JsonText, strict_decoder
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
# Whether a format knows a row.
IsRow = Callable[[Row], bool]


def spelling_of(head: bytes, *, whole: bool, is_row: IsRow) -> tuple[str, str]:
    """Which way a file is written, and of a wrapper the key that holds the rows.

    Args:
        head: its first bytes in UTF-8.
        whole: whether they are all.
        is_row: whether a format knows a row.
    """
    if is_array(head):
        return ARRAY, ""
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head.removeprefix(BOM)).lstrip()
    first, _, rest = text.partition("\n")
    if _is_json(first):
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


def _is_json(line: str) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True


def _goes_on(first: str, rest: str, *, whole: bool) -> bool:
    """Whether the first line is the beginning of an object that goes on in the next."""
    if not first.startswith("{"):
        return False
    if not rest.strip():
        return not whole and not rest
    second = next(line for line in rest.split("\n") if line.strip())
    try:
        strict_decoder().raw_decode(first)
    except json.JSONDecodeError as error:
        ends = error.pos >= len(first.rstrip()) and not error.msg.startswith("Unterminated")
        # An object after an open object is the next line of a file whose line was cut off.
        return ends and not (first.rstrip().endswith(("{", ",")) and _is_json(second))
    except (ValueError, RecursionError):
        return False
    return False


def _of_one(value: Any, is_row: IsRow) -> tuple[str, str]:
    """What a file is that holds one value."""
    if not isinstance(value, dict) or is_row(value):
        return DOCUMENTS if isinstance(value, dict) else LINES, ""
    keys = [
        key for key, rows in value.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)
    ]
    return (WRAPPER, keys[0]) if len(keys) == 1 else (DOCUMENTS, "")


def _wrapping_key(text: str, is_row: IsRow) -> str:
    """The key of a wrapper whose beginning this is; "" when its first list does not hold rows."""
    taken = JsonText(iter([text]))
    try:
        taken.expect("{")
        while True:
            key = taken.value()
            taken.expect(":")
            if taken.next_char() == "[":
                taken.expect("[")
                return key if taken.next_char() == "{" and is_row(taken.value()) else ""
            taken.value()
            taken.expect(",")
    except RowProblem:
        return ""


def wrapped(chunks: Iterable[bytes], key: str) -> Iterator[Numbered]:
    """The objects of the list under a key of the one object, each with its line."""
    text = text_of(chunks)
    return until_broken(text, _under(text, key))


def _under(text: JsonText, wanted: str) -> Iterator[Numbered]:
    text.expect("{")
    while True:
        key = text.value()
        text.expect(":")
        if key == wanted and text.next_char() == "[":
            yield from elements(text)
        else:
            text.value()
        if text.expect(",}") == "}":
            break
    if text.next_char():
        yield text.line, FileProblem("not JSON", "there is something after the object's end", "delete it")


def documents(chunks: Iterable[bytes], notes: list[str], is_row: IsRow) -> Iterator[Numbered]:
    """Objects one after another, whatever their line breaks; one alone may hold all the rows."""
    text = text_of(chunks)
    return until_broken(text, _documents(text, notes, is_row))


def _documents(text: JsonText, notes: list[str], is_row: IsRow) -> Iterator[Numbered]:
    if not text.next_char():
        return
    number, row = element(text)
    if not text.next_char():
        yield from _alone(number, row, notes, is_row)
        return
    notes.append("objects one after another, over several lines each")
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
    for way, found in (("rows by a name", _by_name(row, is_row)), ("a list for each column", _columns(row))):
        # Lists of texts under a row's own keys are columns: no part of a row is a list of texts.
        if found and (not is_row(row) or _holds_texts(row)):
            notes.append(f"one object: {way}; rows are numbered in their order")
            for place, each in enumerate(found, start=1):
                yield place, as_row(each)
            return
    notes.append("one object: one row")
    yield number, row


def _by_name(row: Row, is_row: IsRow) -> list[Any]:
    values = list(row.values())
    fits = values and all(isinstance(value, dict) for value in values) and is_row(values[0])
    return values if fits else []


def _holds_texts(row: Row) -> bool:
    """Whether every key holds a list of two texts or more, and there are two keys at least."""
    lists = [column for column in row.values() if isinstance(column, list) and len(column) > 1]
    texts = all(isinstance(text, str) for column in lists for text in column)
    return texts and len(lists) == len(row) > 1


def _columns(row: Row) -> list[Any]:
    columns = [list(value.values()) if isinstance(value, Mapping) else value for value in row.values()]
    lists = [column for column in columns if isinstance(column, list) and column]
    if len(lists) < len(row) or len(lists) == 1 or len({len(column) for column in lists}) != 1:
        return []
    return [dict(zip(row, each, strict=True)) for each in zip(*lists, strict=True)]
