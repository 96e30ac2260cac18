"""JSON that comes in pieces, value after value, each with its line. Memory is one value's. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.datasets.base import RowProblem, excerpt

# A row longer than this is a file that lost a bracket.
LONGEST_ROW = 64 << 20
HINT = "fix the JSON"


def refuse_constant(constant: str) -> Any:
    """For the decoder: NaN and Infinity are not JSON."""
    raise ValueError(f"{constant} is not JSON: write null, or leave the row out")


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For the decoder: an object whose keys are all different."""
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"a key is written twice: {excerpt(twice)}")
    return row


def strict_decoder() -> json.JSONDecoder:
    """A decoder that refuses what JSON forbids and Python does not."""
    return json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=without_duplicates)


@dataclass
class JsonText:
    """A text that comes in pieces, and how far it has been read."""

    pieces: Iterator[str]
    buffer: str = ""
    at: int = 0
    line: int = 1
    decoder: json.JSONDecoder = field(default_factory=strict_decoder)

    def more(self) -> bool:
        """Append the next piece; False at the end."""
        piece = next(self.pieces, None)
        if piece is None:
            return False
        self.buffer, self.at = self.buffer[self.at :] + piece, 0
        return True

    def next_char(self) -> str:
        """The next character that is not white space, not yet taken; "" at the end."""
        while True:
            rest = self.at
            while rest < len(self.buffer) and self.buffer[rest] in " \t\r\n":
                rest += 1
            self._advance(rest)
            if rest < len(self.buffer):
                return self.buffer[rest]
            if not self.more():
                return ""

    def expect(self, wanted: str) -> str:
        """Take the next character, which must be one of these.

        Raises:
            RowProblem: it is another, or the text ends.
        """
        char = self.next_char()
        if not char or char not in wanted:
            got = excerpt(self.buffer[self.at : self.at + 40]) if char else "the end: the file looks cut off"
            raise RowProblem("not JSON", f"expected {' or '.join(wanted)}, got {got}", HINT)
        self._advance(self.at + 1)
        return char

    def value(self) -> Any:
        """Take one JSON value.

        Raises:
            RowProblem: it is none.
        """
        self.next_char()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                if not self._unfinished(error) or not self.more():
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
        """Whether the error may only come from where the piece ends."""
        short = len(self.buffer) - self.at < LONGEST_ROW
        return short and (error.msg.startswith("Unterminated") or error.pos > len(self.buffer) - 12)
