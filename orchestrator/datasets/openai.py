"""openai: {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.

Content may be a list of text parts. `reasoning_content` becomes the answer's thought, as LLaMA-Factory spells
it. Tool calls and pictures are refused, since they would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.datasets.base import (
    ASSISTANT,
    SFT,
    SYSTEM,
    USER,
    Conversation,
    Message,
    Row,
    RowProblem,
    excerpt,
    refuse_unread,
    required_list,
    required_text,
    type_name,
    with_thought,
)

name = "openai"
purpose = SFT
shape = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
columns: Mapping[str, str] = {"messages": "messages", "role": "role", "content": "content"}

ROLES: Mapping[str, str] = {
    "user": USER,
    "assistant": ASSISTANT,
    "system": SYSTEM,
    "developer": SYSTEM,
}


def sniff(row: Row) -> bool:
    """Whether it has a list of messages whose first has a role."""
    turns = row.get("messages")
    return isinstance(turns, list) and bool(turns) and isinstance(turns[0], dict) and "role" in turns[0]


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """The messages as they stand."""
    refuse_unread(row, "tools", "functions")
    turns = required_list(row, columns["messages"], shape, "messages")
    return [_message(turn, columns) for turn in turns]


def _message(turn: Any, columns: Mapping[str, str]) -> Message:
    if not isinstance(turn, dict):
        raise RowProblem("shape", f"a message is {type_name(turn)}: {excerpt(turn)}", f"a row is {shape}")
    refuse_unread(turn, "tool_calls", "function_call", "refusal", "audio")
    written = required_text(turn, columns["role"])
    role = ROLES.get(written)
    if role is None:
        raise RowProblem("role", f"no role named {excerpt(written)}", f"roles: {', '.join(ROLES)}")
    content = turn.get(columns["content"])
    text = _joined(content) if isinstance(content, list) else required_text(turn, columns["content"])
    return {"role": role, "content": with_thought(turn, "reasoning_content", text)}


def _joined(parts: list[Any]) -> str:
    """Text parts on lines of their own: what a server makes of them."""
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            what = f"a part of the content is not text: {excerpt(part)}"
            raise RowProblem("unread part", what, "only text can be trained; delete the part")
    return "\n".join(part["text"] for part in parts)
