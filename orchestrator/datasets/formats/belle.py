r"""belle: {"instruction": "Human:…\nAssistant:…\nHuman:…\nAssistant:", "output": "…"}, Belle's chat.

The whole conversation stands in one text, which ends where the last answer belongs. The marks say who speaks;
they are taken away, for a model that is trained on them writes them. White space beside a mark goes with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.datasets.base import (
    ASSISTANT,
    SFT,
    USER,
    Conversation,
    Row,
    RowProblem,
    excerpt,
    refuse_unread,
    required_text,
)

name = "belle"
purpose = SFT
shape = '{"instruction": "Human:…\\nAssistant:", "output": "…"}'
columns: Mapping[str, str] = {"prompt": "instruction", "query": "input", "response": "output"}

SPEAKERS: Mapping[str, str] = {"Human": USER, "Assistant": ASSISTANT}
# A mark at the beginning of a line: anywhere else it is a word of the text.
_MARK = re.compile(r"^\s*(Human|Assistant)[:：]", re.MULTILINE)


def sniff(row: Row) -> bool:
    """Whether its instruction begins and ends with a mark."""
    said = row.get("instruction")
    return isinstance(said, str) and "output" in row and said.lstrip().startswith("Human") and _ends(said)


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """Every turn between the marks, and the output as the last answer."""
    refuse_unread(row, columns["query"], "history", "system")
    said = required_text(row, columns["prompt"])
    marks = list(_MARK.finditer(said))
    if not marks or said[: marks[0].start()].strip() or not _ends(said):
        what = f"the conversation does not go from Human: to a last Assistant: {excerpt(said)}"
        raise RowProblem("shape", what, f"a row is {shape}")
    ends = [mark.start() for mark in marks[1:]]
    texts = [said[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=False)]
    texts.append(required_text(row, columns["response"]))
    return [{"role": SPEAKERS[mark[1]], "content": text} for mark, text in zip(marks, texts, strict=True)]


def _ends(said: str) -> bool:
    return said.rstrip().endswith(("Assistant:", "Assistant："))
