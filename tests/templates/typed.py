"""A tokenizer for tests: control tokens and runs of newlines are one token, any other character is one."""

from __future__ import annotations

import re

from orchestrator.templates.pieces import Pieces

_TOKENS = re.compile(r"<[|｜][^<>]+[|｜]>|</?think>|\n+|.", re.DOTALL)
_SPELLED = {" ": "Ġ", "\n": "Ċ"}


class Typed:
    """Ids as they come, and their pieces as a byte-level tokenizer spells them."""

    def __init__(self) -> None:
        self.tokens: dict[str, int] = {}

    def ids(self, text: str) -> list[int]:
        """The ids of a text."""
        return [self.tokens.setdefault(token, len(self.tokens)) for token in _TOKENS.findall(text)]

    def joined(self, *texts: str) -> list[int]:
        """The ids of texts that are encoded one by one."""
        return [token for text in texts for token in self.ids(text)]

    @property
    def pieces(self) -> Pieces:
        """Id → token."""
        return Pieces(
            {
                number: "".join(_SPELLED.get(character, character) for character in token)
                for token, number in self.tokens.items()
            }
        )
