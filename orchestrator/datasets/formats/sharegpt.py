"""sharegpt: {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}], "system"}.

The usual other names of the roles are understood, in any case, and those of the list.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import SFT, SYSTEM, Conversation, Row, optional_text, refuse_unread
from orchestrator.datasets.turns import messages_in, read_turns

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
    """Whether it has a list of messages that say whom they are from."""
    return resolve(row).get("role") == "from"


def resolve(row: Row) -> Mapping[str, str]:
    """What the list is called in a file with rows like this one, and the parts of a message."""
    return messages_in(row)


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The turns as they stand, under the roles' own names."""
    refuse_unread(row, "tools", "images", "videos", "audios", "chosen", "rejected")
    system = optional_text(row, columns["system"])
    first: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    return first + read_turns(row, columns, shape)
