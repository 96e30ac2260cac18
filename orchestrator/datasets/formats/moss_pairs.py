"""moss_pairs: {"conversation": [{"human": "…", "assistant": "…"}]}, or {"data": ["…", "…", …]} without marks.

The first is Firefly's moss-003 and, as {"system", "input", "output"}, XTuner's; the second is UltraChat's,
where questions and answers alternate.
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
from orchestrator.datasets.formats.base import Columns, required_list, required_text, system_of

name = "moss_pairs"
purpose = SFT
shape = '{"conversation": [{"human": "…", "assistant": "…"}]}'
columns: Columns = {
    "conversation": "conversation",
    "human": "human",
    "assistant": "assistant",
    "system": "system",
    "data": "data",
}

SIDES = (("human", "assistant"), ("input", "output"), ("user", "assistant"))


def sniff(row: Row) -> bool:
    """Whether it has a list of pairs, or of texts."""
    texts = row.get("data")
    flat = isinstance(texts, list) and len(texts) > 1 and all(isinstance(text, str) for text in texts)
    return flat or bool(resolve(row))


def resolve(row: Row) -> Columns:
    """The keys of the two sides."""
    turns = row.get("conversation")
    first = turns[0] if isinstance(turns, list) and turns else None
    if isinstance(first, dict):
        for human, assistant in SIDES:
            if human in first and assistant in first and "inner_thought" not in first:
                return {"human": human, "assistant": assistant}
    return {}


def read(row: Row, columns: Columns) -> Conversation:
    """Every pair as a question and an answer."""
    if columns["conversation"] in row or columns["data"] not in row:
        pairs = required_list(row, columns["conversation"], shape, "pairs")
        return [message for pair in pairs for message in _pair(pair, columns)]
    texts = required_list(row, columns["data"], shape, "texts")
    return [_text((USER, ASSISTANT)[index % 2], text) for index, text in enumerate(texts)]


def _pair(pair: object, columns: Columns) -> Iterator[Message]:
    if not isinstance(pair, dict):
        raise RowProblem("shape", f"a pair is {type_name(pair)}: {excerpt(pair)}", f"a row is {shape}")
    yield from system_of(pair, columns)
    yield {"role": USER, "content": required_text(pair, columns["human"])}
    yield {"role": ASSISTANT, "content": required_text(pair, columns["assistant"])}


def _text(role: str, text: object) -> Message:
    if not isinstance(text, str):
        kind = "null" if text is None else "not text"
        raise RowProblem(kind, f"a turn is {type_name(text)}: {excerpt(text)}", "write text")
    return {"role": role, "content": text}
