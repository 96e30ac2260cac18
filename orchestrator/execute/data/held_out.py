"""Paraphrases as rows: a question that was not trained, with the answer of the trained row that it is `of`.

What the trainer and the server say of these rows shows more than that a text was learnt by heart.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.datasets.base import Conversation


@dataclass(slots=True)
class HeldOut:
    """The paraphrases of a run, and the rows made of them so far.

    Attributes:
        wanted: trained question → the other ways to ask it, each a list of the user's turns.
        rows: the conversations.
    """

    wanted: dict[str, list[list[str]]] = field(default_factory=dict)
    rows: list[Conversation] = field(default_factory=list)

    @classmethod
    def read(cls, paths: Sequence[Path]) -> HeldOut:
        """From files of {"ask", "expect", "of"} lines that were checked; one without `of` is passed over."""
        wanted: dict[str, list[list[str]]] = {}
        for path in paths:
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line) if line.strip() else {}
                ask = row.get("ask", [])
                if "of" in row:
                    wanted.setdefault(row["of"], []).append([ask] if isinstance(ask, str) else list(ask))
        return cls(wanted)

    def see(self, conversation: Conversation) -> None:
        """A trained row: the first one of its question, and of one turn, gives paraphrases their answer."""
        users = [message["content"] for message in conversation if message["role"] == "user"]
        if len(users) != 1 or users[0] not in self.wanted:
            return
        for asks in self.wanted.pop(users[0]):
            if len(asks) == 1:
                self.rows.append(
                    [
                        {**message, "content": asks[0]} if message["role"] == "user" else message
                        for message in conversation
                    ]
                )
