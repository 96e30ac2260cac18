"""inner_thought: {"conversations": [{"user": "…", "inner_thought": "…", "assistant": "…"}]}.

The inner thought becomes the answer's thought.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.datasets.base import (
    ASSISTANT,
    SFT,
    USER,
    Conversation,
    Message,
    Row,
    RowProblem,
    excerpt,
    type_name,
)
from orchestrator.datasets.formats.base import (
    Columns,
    no_other_names,
    required_list,
    required_text,
    system_of,
    with_thought,
)

name = "inner_thought"
purpose = SFT
shape = '{"conversations": [{"user": "…", "inner_thought": "…", "assistant": "…"}]}'
columns: Columns = {
    "messages": "conversations",
    "user": "user",
    "thought": "inner_thought",
    "assistant": "assistant",
    "system": "system",
}
resolve = no_other_names


def sniff(row: Row) -> bool:
    """Whether it has a list of turns that hold both sides."""
    turns = row.get("conversations")
    first = turns[0] if isinstance(turns, list) and turns else None
    return isinstance(first, dict) and "user" in first and "assistant" in first


def read(row: Row, columns: Columns) -> Conversation:
    """Every turn as a question, and its thought and answer as one text."""
    turns = required_list(row, columns["messages"], shape, "turns")
    return system_of(row, columns) + [message for turn in turns for message in _turn(turn, columns)]


def _turn(turn: object, columns: Columns) -> Iterator[Message]:
    if not isinstance(turn, dict):
        raise RowProblem("shape", f"a turn is {type_name(turn)}: {excerpt(turn)}", f"a row is {shape}")
    answer = required_text(turn, columns["assistant"])
    yield {"role": USER, "content": required_text(turn, columns["user"])}
    yield {"role": ASSISTANT, "content": with_thought(turn, columns["thought"], answer)}
