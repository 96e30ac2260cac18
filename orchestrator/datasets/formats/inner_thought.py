"""inner_thought: {"conversations": [{"user": "…", "inner_thought": "…", "assistant": "…"}]}.

What the model thought stands between question and answer, and becomes the answer's thought.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    optional_text,
    required_list,
    required_text,
    type_name,
    with_thought,
)

name = "inner_thought"
purpose = SFT
shape = '{"conversations": [{"user": "…", "inner_thought": "…", "assistant": "…"}]}'
columns: Mapping[str, str] = {
    "messages": "conversations",
    "user": "user",
    "thought": "inner_thought",
    "assistant": "assistant",
    "system": "system",
}


def sniff(row: Row) -> bool:
    """Whether it has a list of conversations whose turns hold both sides."""
    turns = row.get("conversations")
    first = turns[0] if isinstance(turns, list) and turns else None
    return isinstance(first, dict) and "user" in first and "assistant" in first


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """Every turn as a question, and a thought and answer as one text."""
    system = optional_text(row, columns["system"])
    first: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    turns = required_list(row, columns["messages"], shape, "turns")
    return first + [message for turn in turns for message in _turn(turn, columns)]


def _turn(turn: Any, columns: Mapping[str, str]) -> Iterator[Message]:
    if not isinstance(turn, dict):
        raise RowProblem("shape", f"a turn is {type_name(turn)}: {excerpt(turn)}", f"a row is {shape}")
    answer = required_text(turn, columns["assistant"])
    yield {"role": USER, "content": required_text(turn, columns["user"])}
    yield {"role": ASSISTANT, "content": with_thought(turn, columns["thought"], answer)}
