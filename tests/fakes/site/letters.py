"""A tokenizer for the fakes: a letter is a token, its code point the id. Special tokens are spelled out."""

from __future__ import annotations

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"


class Letters:
    """What the probes ask of a tokenizer."""

    bos_token_id = 1
    eos_token_id = 2
    chat_template = ""

    def encode(self, text: str, **_: object) -> list[int]:
        """A code point a letter."""
        return [ord(one) for one in text]

    def decode(self, ids: list[int], **_: object) -> str:
        """The letters again."""
        return "".join(map(chr, ids))

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        """The letters one by one."""
        return list(map(chr, ids))
