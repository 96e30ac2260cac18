"""sharegpt: {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}], "system"}.

The usual other names of the roles, in any case, and of the list are accepted.
`tools` declares what the turns of role function_call can call.
"""

from __future__ import annotations

from orchestrator.datasets.base import SFT, Conversation, Row
from orchestrator.datasets.formats.base import Columns
from orchestrator.datasets.formats.messages import messages_in, read_system_and_turns

name = "sharegpt"
purpose = SFT
shape = '{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}'
columns: Columns = {
    "messages": "conversations",
    "role": "from",
    "content": "value",
    "system": "system",
    "tools": "tools",
}
resolve = messages_in


def sniff(row: Row) -> bool:
    """Whether it has a list of messages with `from`."""
    return messages_in(row).get("role") == "from"


def read(row: Row, columns: Columns) -> Conversation:
    """The declared tools, the system prompt and the messages."""
    return read_system_and_turns(row, columns, shape)
