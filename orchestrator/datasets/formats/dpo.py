"""dpo: {"instruction": "…", "input": "…", "chosen": "…", "rejected": "…"}, a question and two answers.

The question is read as alpaca's is. It may be called `prompt` or `question`, and the answers
`response_chosen` and `response_rejected`.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.datasets.base import DPO, Pair, Row, refuse_unread, required_text
from orchestrator.datasets.formats import alpaca, question_answer

name = "dpo"
purpose = DPO
shape = '{"instruction": "…", "input": "…", "chosen": "better", "rejected": "worse"}'
columns: Mapping[str, str] = {
    "prompt": "instruction",
    "query": "input",
    "chosen": "chosen",
    "rejected": "rejected",
    "history": "history",
    "system": "system",
}


def sniff(row: Row) -> bool:
    """Whether it has two answers that are texts, and a question."""
    found = resolve(row)
    texts = all(isinstance(row.get(found.get(side, side)), str) for side in ("chosen", "rejected"))
    return texts and ("instruction" in row or "prompt" in found)


def resolve(row: Row) -> Mapping[str, str]:
    """What question and answers are called in a file with rows like this one."""
    keys = question_answer.candidates(row)["prompt"]
    found = {"prompt": keys[0]} if len(keys) == 1 and isinstance(row[keys[0]], str) else {}
    for side in ("chosen", "rejected"):
        names = [name for name in (side, f"response_{side}", f"{side}_response") if name in row]
        found |= {side: names[0]} if len(names) == 1 else {}
    return found


def read(row: Row, columns: Mapping[str, str]) -> Pair:
    """The question with what came before it, and the better and the worse answer."""
    refuse_unread(row, "tools", "images", "videos", "audios")
    chosen, rejected = (required_text(row, columns[column]) for column in ("chosen", "rejected"))
    return Pair(alpaca.asked(row, columns), chosen, rejected)
