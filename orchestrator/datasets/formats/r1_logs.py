"""r1_logs: {"messages": […], "choices": [{"message": {"reasoning_content": "…", "content": "…"}}]}.

The response of a chat completions server beside its request: in the row itself, or as {"request",
"response"}, also with the `body` of a batch. An answer that the server reports as cut off is refused.
"""

from __future__ import annotations

from orchestrator.datasets.base import SFT, USER, Conversation, Row, RowProblem, excerpt, keys_of, type_name
from orchestrator.datasets.formats.base import Columns, no_other_names, refuse_unread, required_list
from orchestrator.datasets.formats.messages import read_turn, read_turns

name = "r1_logs"
purpose = SFT
shape = (
    '{"messages": [{"role": "user", "content": "…"}], '
    '"choices": [{"message": {"role": "assistant", "reasoning_content": "…", "content": "…"}}]}'
)
columns: Columns = {
    "choices": "choices",
    "messages": "messages",
    "prompt": "prompt",
    "request": "request",
    "response": "response",
}
resolve = no_other_names

KEYS = {"messages": "messages", "role": "role", "content": "content"}


def sniff(row: Row) -> bool:
    """Whether it has choices, itself or in its response."""
    choices = _part(row, "response").get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return isinstance(first, dict) and isinstance(first.get("message"), dict)


def read(row: Row, columns: Columns) -> Conversation:
    """The request, and its one answer with the thought."""
    request, response = _part(row, columns["request"]), _part(row, columns["response"])
    choices = required_list(response, columns["choices"], shape, "choices")
    if len(choices) != 1:
        what = f"{len(choices)} choices, but one can be trained"
        raise RowProblem("several answers", what, "keep one of them")
    choice = choices[0] if isinstance(choices[0], dict) else {}
    if choice.get("finish_reason") == "length":
        what = f"the server cut the answer off (finish_reason: length): {excerpt(choice)}"
        raise RowProblem("answer cut off", what, "ask again with more tokens, or delete the row")
    return [*_prompt(request, columns), read_turn(_message(choice), KEYS, shape)]


def _prompt(request: Row, columns: Columns) -> Conversation:
    refuse_unread(request, "tools", "functions")
    prompt = request.get(columns["prompt"])
    if isinstance(prompt, str) and columns["messages"] not in request:
        return [{"role": USER, "content": prompt}]
    if columns["messages"] not in request:
        what = f"the request is missing (keys: {keys_of(request)})"
        raise RowProblem("missing key", what, f'keep the request beside its answer: "{columns["messages"]}"')
    return read_turns(request, {**KEYS, "messages": columns["messages"]}, shape)


def _message(choice: Row) -> Row:
    message = choice.get("message")
    if not isinstance(message, dict):
        raise RowProblem("shape", f"a choice's message is {type_name(message)}", f"a row is {shape}")
    return {"role": "assistant", **message}


def _part(row: Row, column: str) -> Row:
    """The request or response of a row; the row itself if it has none."""
    part = row.get(column)
    if not isinstance(part, dict):
        return row
    body = part.get("body")
    return body if isinstance(body, dict) else part
