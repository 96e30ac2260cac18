"""dpo: {"instruction": "…", "input": "…", "chosen": "…", "rejected": "…"}, a question and two answers.

The question is read as in alpaca. It may be called `prompt` or `question`, and the answers `response_chosen`
and `response_rejected`.
"""

from __future__ import annotations

from orchestrator.datasets.base import DPO, Pair, Row
from orchestrator.datasets.formats.base import (
    ANSWERS,
    MEDIA,
    Columns,
    instruction_prompt,
    refuse_unread,
    required_text,
)
from orchestrator.datasets.formats.column_names import candidates

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
    for side in ANSWERS:
        names = [name for name in (side, f"response_{side}", f"{side}_response") if name in row]
        found |= {side: names[0]} if len(names) == 1 else {}
    return found


def read(row: Row, columns: Columns) -> Pair:
    """The question with the turns before it, and the better and the worse answer."""
    refuse_unread(row, "tools", *MEDIA)
    chosen, rejected = (required_text(row, columns[side]) for side in ANSWERS)
    return Pair(instruction_prompt(row, columns), chosen, rejected)
