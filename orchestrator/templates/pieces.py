"""The text of token ids, from the pieces that a probe wrote; needs no tokenizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

AROUND = 12


def _byte_alphabet() -> dict[str, int]:
    """Character → byte of byte-level BPE: printable bytes are themselves, the others U+0100 and above."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTES = _byte_alphabet()


@dataclass(frozen=True, slots=True)
class Pieces:
    """Id → token, as the tokenizer itself spells it (`Ġ` for a space, `Ċ` for a newline)."""

    tokens: Mapping[int, str]
    _known: dict[int, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def raw(self, ids: Sequence[int]) -> bytes:
        r"""The bytes of the ids.

        >>> Pieces({0: "<think>", 1: "Ċ", 2: "ä½ł"}).raw([0, 1, 2]).decode()
        '<think>\n你'
        """
        known = self._known
        return b"".join([known[token] if token in known else self._bytes_of(token) for token in ids])

    def text(self, ids: Sequence[int]) -> str:
        """The text of the ids; an incomplete character shows as �."""
        return self.raw(ids).decode("utf-8", errors="replace")

    def around(self, ids: Sequence[int], position: int) -> str:
        """The text around a position, marked with ⟦ ⟧; empty brackets after the last id."""
        before = self.text(ids[max(0, position - AROUND) : position])
        here = self.text(ids[position : position + 1])
        after = self.text(ids[position + 1 : position + 1 + AROUND])
        return f"{before}⟦{here}⟧{after}"

    def _bytes_of(self, token: int) -> bytes:
        spelled = self.tokens.get(token, f"<{token}>")
        if all(character in _BYTES for character in spelled):
            found = bytes(_BYTES[character] for character in spelled)
        else:
            # A token outside the byte alphabet, such as <｜User｜>, is its own text.
            found = spelled.encode("utf-8")
        self._known[token] = found
        return found
