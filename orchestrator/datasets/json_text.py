"""Strict JSON: decoding, values from text that arrives in chunks, and the repair of a broken line. Pure."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

from orchestrator.datasets.base import FileProblem, Row, RowProblem, excerpt

# A longer row means a missing bracket, or a file that is made to exhaust the memory.
LONGEST_ROW = 16 << 20
MOST_LIMITS = 1000
RAISE_LIMITS = "if you trust the file: --limits 4 (in its dataset_info entry, limits: 4)"
HINT = "fix the JSON"
# A longer line is not repaired.
LONGEST_REPAIRED = 1 << 20
# A text, which is kept; a comment or a comma before a bracket, which is deleted.
_BLANK = re.compile(r"[ \t\r\n]*")
_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)


def too_long(what: str, longest: int) -> FileProblem:
    """The problem of a row, or of a line, that is larger than any row may be."""
    hint = f"write one row a line, or split it; {RAISE_LIMITS}"
    return FileProblem("too long", f"{what} of more than {longest >> 20} MB", hint)


def refuse_constant(constant: str) -> NoReturn:
    """For the decoder: NaN and Infinity are not JSON."""
    raise ValueError(f"{constant} is not JSON: write null, or drop the row")


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For the decoder: an object whose keys are all different."""
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"a key is written twice: {excerpt(twice)}")
    return row


def strict_decoder(*, control_characters: bool = False) -> json.JSONDecoder:
    """A decoder that refuses what JSON forbids, except, on request, raw control characters in texts."""
    return json.JSONDecoder(
        strict=not control_characters,
        parse_constant=refuse_constant,
        object_pairs_hook=without_duplicates,
    )


@dataclass
class JsonText:
    """Text that arrives in chunks, and how far it has been read. A value may be `longest` characters long."""

    chunks: Iterator[str]
    longest: int = LONGEST_ROW
    buffer: str = ""
    at: int = 0
    line: int = 1
    decoder: json.JSONDecoder = field(default_factory=strict_decoder)

    def more(self) -> bool:
        """Append the next chunk; False at the end."""
        chunk = next(self.chunks, None)
        if chunk is None:
            return False
        self.buffer, self.at = self.buffer[self.at :] + chunk, 0
        return True

    def next_char(self) -> str:
        """The next character that is not white space, without consuming it; "" at the end."""
        while True:
            if blank := _BLANK.match(self.buffer, self.at):
                self._advance(blank.end())
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self.more():
                return ""

    def expect(self, chars: str) -> str:
        """Consume the next character, which must be one of these.

        Raises:
            RowProblem: it is another one, or the text ends.
        """
        char = self.next_char()
        if not char or char not in chars:
            got = excerpt(self.buffer[self.at : self.at + 40]) if char else "the end: the file looks cut off"
            raise RowProblem("not JSON", f"expected {' or '.join(chars)}, got {got}", HINT)
        self._advance(self.at + 1)
        return char

    def value(self) -> Any:
        """Consume one JSON value.

        Raises:
            RowProblem: it is not JSON.
        """
        self.next_char()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                unfinished = self._unfinished(error)
                if unfinished and len(self.buffer) - self.at >= self.longest:
                    raise too_long("a value", self.longest) from None
                if not unfinished or not self.more():
                    shown = excerpt(self.buffer[self.at : self.at + 200])
                    raise RowProblem("not JSON", f"{error.msg}: {shown}", HINT) from None
            except (ValueError, RecursionError) as error:
                kind = "duplicate key" if "twice" in str(error) else "not JSON"
                raise RowProblem(kind, str(error), HINT) from None
            else:
                if end < len(self.buffer) or not isinstance(value, int | float) or not self.more():
                    self._advance(end)
                    return value

    def _advance(self, to: int) -> None:
        self.line += self.buffer.count("\n", self.at, to)
        self.at = to

    def _unfinished(self, error: json.JSONDecodeError) -> bool:
        """Whether the end of the chunk may have caused the error."""
        return error.msg.startswith("Unterminated") or error.pos > len(self.buffer) - 12


def repaired(line: bytes) -> Row | None:
    r"""The object of a line that is not JSON, if it has one possible meaning; else None.

    Accepts trailing commas, comments, raw control characters in texts, and Python's notation. Does not
    complete a line that is cut off or choose between duplicate keys, as the package json-repair would.

    >>> repaired(b"{'a': None, 'b': True},")
    {'a': None, 'b': True}
    """
    if len(line) > LONGEST_REPAIRED:
        return None
    try:
        text = line.decode("utf-8").strip().rstrip(",")
    except UnicodeDecodeError:
        return None
    bare = _PARTS.sub(lambda part: part[0] if part[0][0] == '"' else "", text)
    bare = _PARTS.sub(lambda part: part[0] if part[0][0] == '"' else "", bare).strip()
    for value in (_json(bare), _python(text)):
        if isinstance(value, dict) and is_json(value):
            return value
    return None


def _json(text: str) -> object:
    try:
        return strict_decoder(control_characters=True).decode(text)
    except (ValueError, RecursionError):
        return None


def _python(text: str) -> object:
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text, mode="eval")
        objects = (node.keys for node in ast.walk(tree) if isinstance(node, ast.Dict))
        dumped = ([ast.dump(key) for key in keys if key] for keys in objects)
        if any(len(set(keys)) < len(keys) for keys in dumped):
            return None
        return ast.literal_eval(tree)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


def is_json(value: object) -> bool:
    """Whether a value can be written as JSON in UTF-8."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True
