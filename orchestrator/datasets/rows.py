"""JSON lines, or one JSON array, as numbered rows. Streaming: memory is one row's, whatever the file's. Pure.

What a file holds decides, not its name: `[` first is an array, anything else is one object a line.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from orchestrator.datasets.base import Row, RowProblem, excerpt, type_name

Numbered = tuple[int, Row | RowProblem]

BOM = codecs.BOM_UTF8
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
AS_UTF8 = "save it as UTF-8"
# A row longer than this is a file that lost a bracket.
LONGEST_ROW = 64 << 20


def is_array(start: bytes) -> bool:
    """Whether a file that starts with these bytes is one JSON array."""
    return start.removeprefix(BOM).lstrip()[:1] == b"["


def json_lines(lines: Iterable[bytes]) -> Iterator[Numbered]:
    """One row a line, numbered from 1; blank lines are passed over."""
    for number, line in enumerate(lines, start=1):
        body = line.removeprefix(BOM) if number == 1 else line
        if number == 1 and line.startswith(UTF16):
            yield number, RowProblem("encoding", "the file is UTF-16", AS_UTF8)
            return
        if body.strip():
            yield number, _parsed(body, ended=line.endswith(b"\n"))


def _parsed(line: bytes, *, ended: bool) -> Row | RowProblem:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _not_json(line, str(error).split(": line ")[0], ended=ended)
    return row if isinstance(row, dict) else _not_an_object(row)


def _not_json(line: bytes, why: str, *, ended: bool) -> RowProblem:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        shown = excerpt(line[: error.start + 8].decode("utf-8", "replace")[-40:])
        what = f"byte {error.start + 1} of the line is not UTF-8: {shown}"
        return RowProblem("encoding", what, AS_UTF8)
    cut = "" if ended else "; it is the last line and has no end: the file looks cut off"
    return RowProblem("not JSON", f"{why}{cut}: {excerpt(text.strip())}", "one whole JSON object a line")


def _not_an_object(value: object) -> RowProblem:
    return RowProblem("shape", f"a row is {type_name(value)}: {excerpt(value)}", "a row is a JSON object")


def json_array(chunks: Iterable[bytes]) -> Iterator[Numbered]:
    """The objects of one JSON array, each with the line it begins on; ends at the first syntax error."""
    text = _Text(codecs.iterdecode(chunks, "utf-8-sig"))
    try:
        text.expect("[")
        if text.next_char() == "]":
            return
        while True:
            yield _element(text)
            if text.expect(",]") == "]":
                break
        if text.next_char():
            yield text.line, RowProblem("not JSON", "there is something after the array's end", "delete it")
    except UnicodeDecodeError:
        yield text.line, RowProblem("encoding", "a byte after this line is not UTF-8", AS_UTF8)
    except RowProblem as problem:
        yield text.line, problem


def _element(text: _Text) -> Numbered:
    text.next_char()
    line, value = text.line, text.value()
    if not isinstance(value, dict):
        return line, _not_an_object(value)
    try:
        orjson.dumps(value)
    except TypeError:
        what = f"half a character (a lone surrogate) in {excerpt(ascii(value))}"
        return line, RowProblem("encoding", what, AS_UTF8)
    return line, value


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key is written twice")
    return row


@dataclass
class _Text:
    """A text that comes in pieces, and how far it has been read."""

    pieces: Iterator[str]
    buffer: str = ""
    at: int = 0
    line: int = 1
    decoder: json.JSONDecoder = field(
        default_factory=lambda: json.JSONDecoder(
            parse_constant=_refuse_constant, object_pairs_hook=_without_duplicates
        )
    )

    def more(self) -> bool:
        """Append the next piece; False at the end."""
        piece = next(self.pieces, None)
        if piece is None:
            return False
        self.buffer, self.at = self.buffer[self.at :] + piece, 0
        return True

    def advance(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to

    def next_char(self) -> str:
        """The next character that is not white space, not yet taken; "" at the end."""
        while True:
            rest = self.at
            while rest < len(self.buffer) and self.buffer[rest] in " \t\r\n":
                rest += 1
            self.advance(rest)
            if rest < len(self.buffer):
                return self.buffer[rest]
            if not self.more():
                return ""

    def expect(self, wanted: str) -> str:
        """Take the next character, which must be one of these."""
        char = self.next_char()
        if not char or char not in wanted:
            got = excerpt(self.buffer[self.at : self.at + 40]) if char else "the end: the file looks cut off"
            raise RowProblem("not JSON", f"expected {' or '.join(wanted)}, got {got}", "mend the JSON")
        self.advance(self.at + 1)
        return char

    def value(self) -> Any:
        """Take one JSON value."""
        while True:
            try:
                value, end = self.decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                if not self._unfinished(error) or not self.more():
                    shown = excerpt(self.buffer[self.at : self.at + 200])
                    raise RowProblem("not JSON", f"{error.msg}: {shown}", "mend the JSON") from None
            except (ValueError, RecursionError) as error:
                raise RowProblem("not JSON", str(error), "mend the JSON") from None
            else:
                self.advance(end)
                return value

    def _unfinished(self, error: json.JSONDecodeError) -> bool:
        """Whether the error may only come from where the piece ends."""
        short = len(self.buffer) - self.at < LONGEST_ROW
        return short and (error.msg.startswith("Unterminated") or error.pos > len(self.buffer) - 12)
