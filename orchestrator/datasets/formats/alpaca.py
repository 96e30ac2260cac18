"""alpaca: {"instruction", "input", "output", "history": [[question, answer], …], "system"}.

The question is `instruction`, followed by `input` on the next line: LLaMA-Factory's rule.
"""

from __future__ import annotations

from orchestrator.datasets.base import ASSISTANT, SFT, Conversation, Row
from orchestrator.datasets.formats.base import (
    ANSWERS,
    Columns,
    instruction_prompt,
    no_other_names,
    refuse_unread,
    required_text,
)

name = "alpaca"
purpose = SFT
shape = '{"instruction": "…", "input": "…", "output": "…", "history": [["…", "…"]]}'
columns: Columns = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "history": "history",
    "system": "system",
}
resolve = no_other_names


def sniff(row: Row) -> bool:
    """Whether it has an instruction and an output."""
    return "instruction" in row and "output" in row


def read(row: Row, columns: Columns) -> Conversation:
    """System prompt, history, and the last question and answer."""
    refuse_unread(row, "tools", *ANSWERS)
    messages = instruction_prompt(row, columns)
    messages.append({"role": ASSISTANT, "content": required_text(row, columns["response"])})
    return messages
