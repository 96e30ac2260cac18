"""sharegpt: {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}], "system"}.

The usual other names of the roles are understood, in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.datasets.base import (
    ASSISTANT,
    FUNCTION_CALL,
    OBSERVATION,
    SFT,
    SYSTEM,
    USER,
    Conversation,
    Message,
    Row,
    RowProblem,
    excerpt,
    optional_text,
    refuse_unread,
    required_list,
    required_text,
    type_name,
)

name = "sharegpt"
purpose = SFT
shape = '{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}'
columns: Mapping[str, str] = {
    "messages": "conversations",
    "role": "from",
    "content": "value",
    "system": "system",
}

ROLES: Mapping[str, str] = {
    **dict.fromkeys(("human", "user"), USER),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bing", "bard"), ASSISTANT),
    "system": SYSTEM,
    **dict.fromkeys(("observation", "tool"), OBSERVATION),
    "function_call": FUNCTION_CALL,
}


def sniff(row: Row) -> bool:
    """Whether it has a list of conversations whose turns say whom they are from."""
    turns = row.get("conversations")
    return isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict) and "from" in turns[0]


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The turns as they stand, under the roles' own names."""
    refuse_unread(row, "tools", "images", "videos", "audios", "chosen", "rejected")
    turns = required_list(row, columns["messages"], shape, "turns")
    system = optional_text(row, columns["system"])
    first: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    return first + [_message(turn, columns) for turn in turns]


def _message(turn: Any, columns: Mapping[str, str]) -> Message:
    if not isinstance(turn, dict):
        raise RowProblem("shape", f"a turn is {type_name(turn)}: {excerpt(turn)}", f"a row is {shape}")
    refuse_unread(turn, "reasoning_content", "tool_calls")
    written = required_text(turn, columns["role"])
    role = ROLES.get(written.casefold())
    if role is None:
        raise RowProblem("role", f"no role named {excerpt(written)}", f"roles: {', '.join(ROLES)}")
    return {"role": role, "content": required_text(turn, columns["content"])}
