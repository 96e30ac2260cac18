"""sharegpt: {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}], "system"}.

The usual other names of the roles are understood, in any case.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import SFT, SYSTEM, Conversation, Row, optional_text, refuse_unread
from orchestrator.datasets.turns import read_turns

name = "sharegpt"
purpose = SFT
shape = '{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}'
columns: Mapping[str, str] = {
    "messages": "conversations",
    "role": "from",
    "content": "value",
    "system": "system",
}


def sniff(row: Row) -> bool:
    """Whether it has a list of conversations whose turns say whom they are from."""
    turns = row.get("conversations")
    return isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict) and "from" in turns[0]


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The turns as they stand, under the roles' own names."""
    refuse_unread(row, "tools", "images", "videos", "audios", "chosen", "rejected")
    system = optional_text(row, columns["system"])
    first: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    return first + read_turns(row, columns, shape)
