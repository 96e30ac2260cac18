"""A training row token by token, as people can read it: what each token says, and what becomes of it. Pure.

Covered: byte-level BPE and the `<0xE4>` spelling of bytes. A character whose bytes are several tokens is
shown on each of them, with which part of it the token is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from orchestrator.templates.pieces import Pieces

# In UTF-8 no character is longer; what has not become one by then never will.
LONGEST_CHARACTER = 4
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SENTENCEPIECE_SPACE = "▁"
# One that is only closed was opened by the prompt.
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)|\A(?:(?!<think>).)*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a row.

    Attributes:
        id: in the tokenizer's vocabulary. text: what it says.
        answer: it is of an answer. trained: the model learns to write it.
        kept: cutoff_len leaves it. thinking: of a thought, its marks among it.
        stop: it ends an answer. part: "1/2" of a text that only several tokens make, else "".
    """

    id: int
    text: str
    answer: bool = False
    trained: bool = False
    kept: bool = True
    thinking: bool = False
    stop: bool = False
    part: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self)


def tokens_of(row: Mapping[str, Any], pieces: Mapping[int, str], stops: Iterable[int]) -> list[Token]:
    """The tokens of a row, those among them that cutoff_len takes.

    Args:
        row: "pairs" and "tail" as probes/preview_ids.py writes them.
        pieces: id → token, as the tokenizer spells it.
        stops: ids that end an answer.
    """
    places = list(_places(row))
    texts = texts_of([token for token, *_ in places], pieces)
    thinking = _thoughts([text for text, _ in texts], [answer for _, answer, *_ in places])
    ends = frozenset(stops)
    return [
        Token(token, text, answer, trained, kept, thought, answer and token in ends, part)
        for (token, answer, trained, kept), (text, part), thought in zip(places, texts, thinking, strict=True)
    ]


def _places(row: Mapping[str, Any]) -> Iterator[tuple[int, bool, bool, bool]]:
    """(id, of an answer, trained, kept) in turn."""
    for pair in row["pairs"]:
        for side, left in zip(("source", "target"), pair["kept"], strict=True):
            answer = side == "target"
            for number, token in enumerate(pair[side]):
                kept = number < left
                yield token, answer, answer and pair["trained"] and kept, kept
    for token in row["tail"]:
        yield token, True, True, True


def texts_of(ids: Sequence[int], pieces: Mapping[int, str]) -> list[tuple[str, str]]:
    """(text, which part of it) of every token; the part is "" where the token is whole characters.

    >>> texts_of([0, 1, 2], {0: "ä½ł", 1: "ä½", 2: "ł"})
    [('你', ''), ('你', '1/2'), ('你', '2/2')]
    """
    spelled = Pieces(pieces)
    raws = [_bytes_of(token, spelled, pieces) for token in ids]
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(raws):
        size = _size(raws, place)
        text = b"".join(raws[place : place + size]).decode("utf-8", errors="replace")
        parts = [""] if size == 1 else [f"{number}/{size}" for number in range(1, size + 1)]
        found += [(text, part) for part in parts]
        place += size
    return found


def _bytes_of(token: int, spelled: Pieces, pieces: Mapping[int, str]) -> bytes:
    piece = pieces.get(token, "")
    if match := _BYTE.fullmatch(piece):
        return bytes([int(match[1], 16)])
    if piece.startswith(_SENTENCEPIECE_SPACE):
        return piece.replace(_SENTENCEPIECE_SPACE, " ").encode("utf-8")
    return spelled.raw([token])


def _size(raws: Sequence[bytes], place: int) -> int:
    """How many tokens from `place` on make whole characters; 1 when none do."""
    together = b""
    for size, raw in enumerate(raws[place : place + LONGEST_CHARACTER + 1], start=1):
        together += raw
        try:
            together.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                return 1
        else:
            return size
    return 1


def _thoughts(texts: Sequence[str], answers: Sequence[bool]) -> list[bool]:
    """Which tokens are of a thought: from <think> to </think>, or to the answer's end if it never closes."""
    found: list[bool] = []
    for answer, stretch in groupby(zip(texts, answers, strict=True), key=itemgetter(1)):
        said = [text for text, _ in stretch]
        spans = [match.span() for match in _THOUGHT.finditer("".join(said))] if answer else []
        at = 0
        for text in said:
            found.append(any(start < at + len(text) and at < end for start, end in spans))
            at += len(text)
    return found
