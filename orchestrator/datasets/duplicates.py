"""Finds repeated questions and rows, in little memory with a limit. Pure.

The key of a row is its question without white space; the value is 32 bits of its answer and 32 of the
question's exact spelling. Up to a few hundred thousand rows a dict is fastest; above, arrays take a tenth of
its memory. After MOST rows nothing new is stored, and `full` is true. Two different questions are confused
once in about ten million files of a million rows.
"""

from __future__ import annotations

from array import array

from orchestrator.datasets.base import Conversation

IN_DICT = 300_000
MOST = 4_000_000
SHARDS = 64
_MASK, _HALF = (1 << 64) - 1, (1 << 32) - 1


class Duplicates:
    """Stores rows, and says how a new one relates to those before."""

    def __init__(self, most: int = MOST) -> None:
        self._first: dict[int, int] = {}
        self._shards: list[_Shard] = []
        self._most = most
        self._size = 0

    @property
    def full(self) -> bool:
        """Whether later rows are only compared with the first ones."""
        return self._size >= self._most

    def relation(self, conversation: Conversation) -> str:
        """Store a conversation; return the kind of its relation to an earlier one, "" for a new question."""
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
        """The value stored under a key; None if there is none, and the new value is stored."""
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
    """A hash table with open addressing over two arrays; key 0 marks a free slot, so a key of 0 becomes 1."""

    def __init__(self) -> None:
        self.slots = 1024
        self.used = 0
        self.keys = array("Q", bytes(8 * self.slots))
        self.values = array("Q", bytes(8 * self.slots))

    def put(self, key: int, value: int, *, grow: bool) -> int | None:
        key = key or 1
        slot = (key >> 8) % self.slots
        keys = self.keys
        while stored := keys[slot]:
            if stored == key:
                return self.values[slot]
            slot = slot + 1 if slot + 1 < self.slots else 0
        if grow:
            keys[slot], self.values[slot] = key, value
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
