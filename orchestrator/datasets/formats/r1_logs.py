"""r1_logs: {"messages": […], "choices": [{"message": {"reasoning_content": "…", "content": "…"}}]}.

What a server of chat completions sent, kept beside what it was asked: in the row itself, or as the request of
a row {"request", "response"}, also with the `body` of a batch. An answer that the server says was cut off is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.datasets.base import (
    SFT,
    USER,
    Conversation,
    Row,
    RowProblem,
    excerpt,
    refuse_unread,
    required_list,
    type_name,
)
from orchestrator.datasets.turns import read_turn, read_turns

name = "r1_logs"
purpose = SFT
shape = (
    '{"messages": [{"role": "user", "content": "…"}], '
    '"choices": [{"message": {"role": "assistant", "reasoning_content": "…", "content": "…"}}]}'
)
columns: Mapping[str, str] = {
    "choices": "choices",
    "messages": "messages",
    "prompt": "prompt",
    "request": "request",
    "response": "response",
}

NAMES = {"messages": "messages", "role": "role", "content": "content"}


def sniff(row: Row) -> bool:
    """Whether it has choices, itself or as its response."""
    choices = _part(row, "response").get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(first, dict) and isinstance(first.get("message"), dict)


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """What was asked, and the one answer with its thought."""
    asked, answered = _part(row, columns["request"]), _part(row, columns["response"])
    choices = required_list(answered, columns["choices"], shape, "choices")
    if len(choices) != 1:
        what = f"there are {len(choices)} choices, and one can be trained"
        raise RowProblem("several answers", what, "leave one of them")
    choice = choices[0] if isinstance(choices[0], dict) else {}
    if choice.get("finish_reason") == "length":
        what = f"the server says that it cut the answer off (finish_reason: length): {excerpt(choice)}"
        raise RowProblem("answer cut off", what, "ask again with more tokens, or delete the row")
    return [*_asked(asked, columns), read_turn(_message(choice), NAMES, shape)]


def _asked(asked: Row, columns: Mapping[str, str]) -> Conversation:
    refuse_unread(asked, "tools", "functions")
    prompt = asked.get(columns["prompt"])
    if isinstance(prompt, str) and columns["messages"] not in asked:
        return [{"role": USER, "content": prompt}]
    if columns["messages"] not in asked:
        what = f"what was asked is not there (keys: {', '.join(list(asked)[:8]) or 'none'})"
        raise RowProblem("missing key", what, f'keep the request beside its answer: "{columns["messages"]}"')
    return read_turns(asked, {**NAMES, "messages": columns["messages"]}, shape)


def _message(choice: Row) -> Row:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise RowProblem("shape", f"a choice's message is {type_name(message)}", f"a row is {shape}")
    return {"role": "assistant", **message}


def _part(row: Row, column: str) -> Row:
    """A row's request or response; the row itself where it has none."""
    part: Any = row.get(column)
    if not isinstance(part, dict):
        return row
    body = part.get("body")
    return body if isinstance(body, dict) else part
