"""Which questions and rows were there before, in memory that is small and ends somewhere. Pure.

A row is remembered under its question without white space; what is remembered are 32 bits of its answer and
32 of how its question is spelled. Below a few hundred thousand rows a dict is quickest; above, arrays take a
tenth of its memory. Past MOST nothing new is remembered, and `full` says so. Two different questions are
taken for one once in some ten million files of a million rows.
"""

from __future__ import annotations

from array import array

from orchestrator.datasets.base import Conversation

IN_DICT = 300_000
MOST = 4_000_000
SHARDS = 64
_MASK, _HALF = (1 << 64) - 1, (1 << 32) - 1


class Duplicates:
    """Remembers rows, and says of a new one how it relates to those before."""

    def __init__(self, most: int = MOST) -> None:
        self._first: dict[int, int] = {}
        self._shards: list[_Shard] = []
        self._most = most
        self._size = 0

    @property
    def full(self) -> bool:
        """Whether later rows were only compared with the first ones."""
        return self._size >= self._most

    def relation(self, conversation: Conversation) -> str:
        """Remember a conversation; the kind under which it is counted, "" for a new question."""
        first, last = conversation[0]["content"], conversation[-1]["content"]
        key = hash("".join(first.split()))
        if len(conversation) > 2:  # noqa: PLR2004 - more than a question and its answer
            key = hash((key, *[message["content"] for message in conversation[1:-1]]))
        value = (hash(last) & _HALF) << 32 | hash(first) & _HALF
        before = self._put(key, value)
        if before is None:
            return ""
        if before == value or self._put(hash((key, value)), value) is not None:
            return "duplicate rows"
        same = before >> 32 == value >> 32
        return "same question, spelled otherwise" if same else "one question, several answers"

    def _put(self, key: int, value: int) -> int | None:
        """What was remembered under a key; None, and the value is remembered now, when nothing was."""
        if self._shards:
            shard = self._shards[key & (SHARDS - 1)]
            found = shard.put(key & _MASK, value, grow=self._size < self._most)
            self._size += found is None
            return found
        before = self._first.setdefault(key, value)
        if before is not value:
            return before
        self._size += 1
        if self._size >= IN_DICT:
            self._move()
        return None

    def _move(self) -> None:
        self._shards = [_Shard() for _ in range(SHARDS)]
        while self._first:
            key, value = self._first.popitem()
            self._shards[key & (SHARDS - 1)].put(key & _MASK, value, grow=True)


class _Shard:
    """Open addressing over two arrays; key 0 stands for an empty place, so that 0 itself becomes 1."""

    def __init__(self) -> None:
        self.slots = 1024
        self.used = 0
        self.keys = array("Q", bytes(8 * self.slots))
        self.values = array("Q", bytes(8 * self.slots))

    def put(self, key: int, value: int, *, grow: bool) -> int | None:
        key = key or 1
        place = (key >> 8) % self.slots
        keys = self.keys
        while held := keys[place]:
            if held == key:
                return self.values[place]
            place = place + 1 if place + 1 < self.slots else 0
        if grow:
            keys[place], self.values[place] = key, value
            self.used += 1
            if self.used > self.slots * 3 // 4:
                self._grow()
        return None

    def _grow(self) -> None:
        keys, values = self.keys, self.values
        self.slots, self.used = self.slots * 3 // 2, 0
        self.keys, self.values = array("Q", bytes(8 * self.slots)), array("Q", bytes(8 * self.slots))
        for key, value in zip(keys, values, strict=True):
            if key:
                self.put(key, value, grow=True)
