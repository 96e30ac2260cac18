"""Shows a training row token by token: the text of each token, and what training does with it. Pure.

Covers byte-level BPE and the `<0xE4>` spelling of bytes. A character of several tokens is shown on each of
them, with the number of the part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypedDict

from orchestrator.templates.pieces import Pieces

# In UTF-8 no character is longer.
LONGEST_CHARACTER = 4
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_SENTENCEPIECE_SPACE = "▁"
# A thought that is only closed was opened by the prompt.
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)|\A(?:(?!<think>).)*?</think>", re.DOTALL)


class PairIds(TypedDict):
    """A prompt and its answer; kept: how many ids of each cutoff_len keeps."""

    source: Sequence[int]
    target: Sequence[int]
    kept: Sequence[int]
    trained: bool


class PreviewRow(TypedDict):
    """A row as probes/preview_ids.py writes it; tail: the ids after the last pair."""

    pairs: Sequence[PairIds]
    tail: Sequence[int]


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a row.

    Attributes:
        trained: the model learns to write it. kept: cutoff_len keeps it.
        thinking: part of a thought, marks included. stop: it ends an answer.
        part: "1/2" of a text that needs several tokens, else "".
    """

    id: int
    text: str
    answer: bool = False
    trained: bool = False
    kept: bool = True
    thinking: bool = False
    stop: bool = False
    part: str = ""

    def to_json(self) -> dict[str, object]:
        """All fields."""
        return asdict(self)


def tokens_of(row: PreviewRow, pieces: Mapping[int, str], stops: Iterable[int]) -> list[Token]:
    """The tokens of a row, those that cutoff_len removes included; `stops` are the ids that end an answer."""
    marked = list(_marked(row))
    texts = texts_of([token for token, *_ in marked], pieces)
    thinking = _thoughts([text for text, _ in texts], [answer for _, answer, *_ in marked])
    ends = frozenset(stops)
    return [
        Token(token, text, answer, trained, kept, thought, answer and token in ends, part)
        for (token, answer, trained, kept), (text, part), thought in zip(marked, texts, thinking, strict=True)
    ]


def _marked(row: PreviewRow) -> Iterator[tuple[int, bool, bool, bool]]:
    """(id, part of an answer, trained, kept) in order."""
    for pair in row["pairs"]:
        sides = ((False, pair["source"]), (True, pair["target"]))
        for (answer, ids), left in zip(sides, pair["kept"], strict=True):
            for number, token in enumerate(ids):
                kept = number < left
                yield token, answer, answer and pair["trained"] and kept, kept
    for token in row["tail"]:
        yield token, True, True, True


def texts_of(ids: Sequence[int], pieces: Mapping[int, str]) -> list[tuple[str, str]]:
    """(text, part) of every token; the part is "" if the token is whole characters.

    >>> texts_of([0, 1, 2], {0: "ä½ł", 1: "ä½", 2: "ł"})
    [('你', ''), ('你', '1/2'), ('你', '2/2')]
    """
    spelled = Pieces(pieces)
    raws = [_bytes_of(token, spelled, pieces) for token in ids]
    found: list[tuple[str, str]] = []
    start = 0
    while start < len(raws):
        size = _size(raws, start)
        text = b"".join(raws[start : start + size]).decode("utf-8", errors="replace")
        parts = [""] if size == 1 else [f"{number}/{size}" for number in range(1, size + 1)]
        found += [(text, part) for part in parts]
        start += size
    return found


def _bytes_of(token: int, spelled: Pieces, pieces: Mapping[int, str]) -> bytes:
    piece = pieces.get(token, "")
    if match := _BYTE.fullmatch(piece):
        return bytes([int(match[1], 16)])
    if piece.startswith(_SENTENCEPIECE_SPACE):
        return piece.replace(_SENTENCEPIECE_SPACE, " ").encode("utf-8")
    return spelled.raw([token])


def _size(raws: Sequence[bytes], start: int) -> int:
    """How many tokens from `start` on make whole characters; 1 if none do."""
    together = b""
    for size, raw in enumerate(raws[start : start + LONGEST_CHARACTER + 1], start=1):
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
    """Which tokens are part of a thought: from <think> to </think>, or to the end of the answer."""
    found: list[bool] = []
    for answer, stretch in groupby(zip(texts, answers, strict=True), key=itemgetter(1)):
        shown = [text for text, _ in stretch]
        spans = [match.span() for match in _THOUGHT.finditer("".join(shown))] if answer else []
        at = 0
        for text in shown:
            found.append(any(start < at + len(text) and at < end for start, end in spans))
            at += len(text)
    return found
