"""openai: {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.

Content may be a list of text parts. `reasoning_content` becomes the answer's thought, as LLaMA-Factory spells
it; `tool_calls` become a turn that calls, and `tool` a turn that observes. Pictures are refused, and tools
that are described beside the messages, since they would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import SFT, Conversation, Row, refuse_unread
from orchestrator.datasets.turns import messages_in, read_turns

name = "openai"
purpose = SFT
shape = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
columns: Mapping[str, str] = {"messages": "messages", "role": "role", "content": "content"}


def sniff(row: Row) -> bool:
    """Whether it has a list of messages whose first has a role."""
    return resolve(row).get("role") == "role"


def resolve(row: Row) -> Mapping[str, str]:
    """What the list is called in a file with rows like this one, and the parts of a message."""
    return messages_in(row)


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The messages as they stand."""
    refuse_unread(row, "tools", "functions", "images", "videos", "audios", "chosen", "rejected")
    return read_turns(row, columns, shape)
