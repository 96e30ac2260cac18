"""openai: {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.

Content may be a list of text parts. `reasoning_content` becomes the answer's thought, as LLaMA-Factory spells
it; `tool_calls` become a turn that calls, and `tool` a turn that observes. Pictures are refused, and tools
that are described beside the messages, since they would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import SFT, Conversation, Row, refuse_unread
from orchestrator.datasets.turns import read_turns

name = "openai"
purpose = SFT
shape = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
columns: Mapping[str, str] = {"messages": "messages", "role": "role", "content": "content"}


def sniff(row: Row) -> bool:
    """Whether it has a list of messages whose first has a role."""
    turns = row.get("messages")
    return isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict) and "role" in turns[0]


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The messages as they stand."""
    refuse_unread(row, "tools", "functions", "images", "videos", "audios", "chosen", "rejected")
    return read_turns(row, columns, shape)
