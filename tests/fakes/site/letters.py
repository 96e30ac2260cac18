"""A tokenizer for the fakes: a letter is a token, its code point the id. Special tokens are spelled out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"


END = "\x02"


class Rows(list):
    """As much of a data set as the probe reads."""

    def select_columns(self, _names: list) -> Rows:
        """All of them, always."""
        return self

    @property
    def column_names(self) -> list:
        """Of the first row."""
        return list(self[0]) if self else []

    def with_format(self, _name: str) -> Rows:
        """Arrow is a list here."""
        return self

    def iter(self, size: int) -> Iterator[Rows]:
        """So many rows at a time."""
        return (Rows(self[at : at + size]) for at in range(0, len(self), size))

    def to_pylist(self) -> list:
        """The rows themselves."""
        return list(self)


class Letters:
    """What the probes ask of a tokenizer."""

    bos_token_id = 1
    eos_token_id = 2
    chat_template = ""
    special_tokens_map: ClassVar = {"bos_token": BOS, "eos_token": EOS}
    all_special_tokens: ClassVar = [BOS, EOS]

    def __call__(self, texts: list[str], **_: object) -> dict:
        """Many texts at a time."""
        return {"input_ids": [self.encode(text) for text in texts]}

    def get_added_vocab(self) -> dict:
        """Nothing was added."""
        return {}

    def encode(self, text: str, **_: object) -> list[int]:
        """A code point a letter; the end of a sentence is one token."""
        return [ord(one) for one in text.replace(EOS, END)]

    def decode(self, ids: list[int], **_: object) -> str:
        """The letters again."""
        return "".join(map(chr, ids)).replace(END, EOS)

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        """The letters one by one."""
        return [EOS if one == self.eos_token_id else chr(one) for one in ids]
