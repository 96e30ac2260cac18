"""dpo_sharegpt: {"conversations": […], "chosen": {"from": "gpt", "value": "…"}, "rejected": {…}}.

LLaMA-Factory's shape of pairs, with `from` and `value` or with `role` and `content`. The conversation ends
with the question that both answer; one that goes on to an answer is dropped by LLaMA-Factory.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import (
    ASSISTANT,
    DPO,
    SYSTEM,
    Conversation,
    Pair,
    Row,
    RowProblem,
    excerpt,
    optional_text,
    refuse_unread,
)
from orchestrator.datasets.turns import messages_in, read_turn, read_turns

name = "dpo_sharegpt"
purpose = DPO
shape = (
    '{"conversations": [{"from": "human", "value": "…"}], '
    '"chosen": {"from": "gpt", "value": "better"}, "rejected": {"from": "gpt", "value": "worse"}}'
)
columns: Mapping[str, str] = {
    "messages": "conversations",
    "role": "from",
    "content": "value",
    "chosen": "chosen",
    "rejected": "rejected",
    "system": "system",
}


def sniff(row: Row) -> bool:
    """Whether it has messages, and two answers that are messages."""
    return all(isinstance(row.get(side), dict) for side in ("chosen", "rejected")) and bool(resolve(row))


def resolve(row: Row) -> Mapping[str, str]:
    """What the messages and their parts are called in a file with rows like this one."""
    return messages_in(row)


def read(row: Row, columns: Mapping[str, str]) -> Pair:
    """The conversation up to its question, and the better and the worse answer."""
    refuse_unread(row, "tools", "images", "videos", "audios")
    system = optional_text(row, columns["system"])
    prompt: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    prompt += read_turns(row, columns, shape)
    chosen, rejected = (_answer(row, columns[side], columns) for side in ("chosen", "rejected"))
    if prompt and prompt[-1]["role"] == ASSISTANT:
        said = prompt[-1]["content"]
        what = f"the conversation ends with an answer already: {excerpt(said)}"
        # Only the better answer once more can be taken away without a loss.
        inside = row if said == chosen else None
        hint = "end it with the question"
        raise RowProblem("answer in prompt", what, hint, inside=inside, column=columns["messages"])
    return Pair(prompt, chosen, rejected)


def _answer(row: Row, column: str, columns: Mapping[str, str]) -> str:
    if column not in row:
        raise RowProblem("missing key", f'there is no "{column}"', f"a row is {shape}")
    message = read_turn(row[column], columns, shape)
    if message["role"] != ASSISTANT:
        what = f'"{column}" is from {message["role"]}, not from the assistant: {excerpt(message["content"])}'
        raise RowProblem("unknown role", what, "an answer is the assistant's")
    return message["content"]
