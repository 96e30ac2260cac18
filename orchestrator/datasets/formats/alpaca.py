"""alpaca: {"instruction", "input", "output", "history": [[question, answer], …], "system"}.

The question is `instruction`, and `input` on the next line when there is one: LLaMA-Factory's rule.
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
    refuse_unread,
    required_text,
    type_name,
)

name = "alpaca"
purpose = SFT
shape = '{"instruction": "…", "input": "…", "output": "…", "history": [["…", "…"]]}'
columns: Mapping[str, str] = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": "history",
    "system": "system",
}

PAIRS = 'write [["question", "answer"], …]'


def sniff(row: Row) -> bool:
    """Whether it has an instruction and an output."""
    return "instruction" in row and "output" in row


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """System prompt, history and the last question and answer as one conversation."""
    refuse_unread(row, "tools", "images", "videos", "audios", "chosen", "rejected")
    messages = asked(row, columns)
    messages.append({"role": ASSISTANT, "content": required_text(row, columns["response"])})
    return messages


def asked(row: Row, columns: Mapping[str, str]) -> Conversation:
    """System prompt, history and the last question: all but the answer."""
    system = optional_text(row, columns["system"])
    parts = [required_text(row, columns["prompt"]), optional_text(row, columns["query"])]
    messages: Conversation = [{"role": SYSTEM, "content": system}] if system else []
    try:
        messages += _history(row.get(columns["history"]))
    except RowProblem as problem:
        problem.inside, problem.column = row, columns["history"]
        raise
    messages.append({"role": USER, "content": "\n".join(part for part in parts if part)})
    return messages


def _history(value: Any) -> Iterator[Message]:
    """The earlier turns; only pairs pass (LLaMA-Factory trains `["你好", "您好"]` as single characters)."""
    if value is None or value == "":
        # An empty cell of a table.
        return
    if not isinstance(value, list):
        raise RowProblem("history", f"history is {type_name(value)}: {excerpt(value)}", PAIRS)
    for pair in value:
        if not isinstance(pair, list):
            raise _not_a_pair(f"{type_name(pair)}, not a pair", pair)
        if len(pair) != 2:  # noqa: PLR2004
            raise _not_a_pair(f"a list of {len(pair)}, not a pair", pair)
        for role, text in zip((USER, ASSISTANT), pair, strict=True):
            if not isinstance(text, str):
                raise _not_a_pair(f"{type_name(text)} instead of text", pair)
            yield {"role": role, "content": text}


def _not_a_pair(what: str, pair: object) -> RowProblem:
    return RowProblem("history", f"history holds {what}: {excerpt(pair)}", PAIRS)
