"""openai: {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.

Content may be a list of parts. `reasoning_content` becomes the answer's thought, `tool_calls` a turn that
calls, `tool` a turn that observes; `tools` beside the messages declares what can be called. Images are
refused, because they would be lost.
"""

from __future__ import annotations

from orchestrator.datasets.base import SFT, Conversation, Row
from orchestrator.datasets.formats.base import ANSWERS, Columns, refuse_unread
from orchestrator.datasets.formats.messages import messages_in, read_turns
from orchestrator.datasets.tool_rows import declared

name = "openai"
purpose = SFT
shape = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
columns: Columns = {"messages": "messages", "role": "role", "content": "content", "tools": "tools"}
resolve = messages_in


def sniff(row: Row) -> bool:
    """Whether it has a list of messages with `role`."""
    return messages_in(row).get("role") == "role"


def read(row: Row, columns: Columns) -> Conversation:
    """The declared tools and the messages."""
    refuse_unread(row, "functions", *ANSWERS)
    return [*declared(row, columns["tools"]), *read_turns(row, columns, shape)]
