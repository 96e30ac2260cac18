r"""belle: {"instruction": "Human:…\nAssistant:…\nHuman:…\nAssistant:", "output": "…"}, Belle's chat.

One text holds the whole conversation and ends where the last answer belongs. The speakers' marks are removed:
a model that is trained on them writes them. White space beside a mark is removed with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.datasets.base import ASSISTANT, SFT, USER, Conversation, Row, RowProblem, excerpt
from orchestrator.datasets.formats.base import Columns, no_other_names, refuse_unread, required_text

name = "belle"
purpose = SFT
shape = '{"instruction": "Human:…\\nAssistant:", "output": "…"}'
columns: Columns = {"prompt": "instruction", "query": "input", "response": "output"}
resolve = no_other_names

SPEAKERS: Mapping[str, str] = {"Human": USER, "Assistant": ASSISTANT}
# A mark at the beginning of a line; anywhere else it is text.
_MARK = re.compile(r"^\s*(Human|Assistant)[:：]", re.MULTILINE)


def sniff(row: Row) -> bool:
    """Whether its instruction begins and ends with a mark."""
    text = row.get("instruction")
    return isinstance(text, str) and "output" in row and text.lstrip().startswith("Human") and _ends(text)


def read(row: Row, columns: Columns) -> Conversation:
    """Every turn between the marks, and the output as the last answer."""
    refuse_unread(row, columns["query"], "history", "system")
    text = required_text(row, columns["prompt"])
    marks = list(_MARK.finditer(text))
    if not marks or text[: marks[0].start()].strip() or not _ends(text):
        what = f"the conversation does not begin with Human: and end with Assistant: {excerpt(text)}"
        raise RowProblem("shape", what, f"a row is {shape}")
    ends = [mark.start() for mark in marks[1:]]
    texts = [text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=False)]
    texts.append(required_text(row, columns["response"]))
    return [{"role": SPEAKERS[mark[1]], "content": text} for mark, text in zip(marks, texts, strict=True)]


def _ends(text: str) -> bool:
    return text.rstrip().endswith(("Assistant:", "Assistant："))
