"""dpo: {"instruction": "…", "input": "…", "chosen": "…", "rejected": "…"}, a question and two answers.

The question is read as in alpaca. It and the answers may have any of their usual names (column_names.py):
question, good, bad; 问题, 好回答, 差回答.
"""

from __future__ import annotations

from orchestrator.datasets.base import DPO, Pair, Row
from orchestrator.datasets.formats.base import (
    ANSWERS,
    Columns,
    instruction_prompt,
    refuse_unread,
    required_text,
)
from orchestrator.datasets.formats.column_names import CHOSEN, REJECTED, candidates, named

name = "dpo"
purpose = DPO
shape = '{"instruction": "…", "input": "…", "chosen": "better", "rejected": "worse"}'
columns: Columns = {
    "prompt": "instruction",
    "query": "input",
    "chosen": "chosen",
    "rejected": "rejected",
    "history": "history",
    "system": "system",
}


def sniff(row: Row) -> bool:
    """Whether it has a question, and two answers that are texts."""
    found = resolve(row)
    texts = all(isinstance(row.get(found.get(side, side)), str) for side in ANSWERS)
    return texts and ("instruction" in row or "prompt" in found)


def resolve(row: Row) -> Columns:
    """The column names of question and answers."""
    keys = candidates(row)["prompt"]
    found = {"prompt": keys[0]} if len(keys) == 1 and isinstance(row[keys[0]], str) else {}
    sides = {"chosen": named(row, CHOSEN), "rejected": named(row, REJECTED)}
    return {**found, **{side: key for side, key in sides.items() if key}}


def read(row: Row, columns: Columns) -> Pair:
    """The question with the turns before it, and the better and the worse answer."""
    refuse_unread(row, "tools")
    chosen, rejected = (required_text(row, columns[side]) for side in ANSWERS)
    return Pair(instruction_prompt(row, columns), chosen, rejected)
