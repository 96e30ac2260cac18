"""huatuo: {"data": ["问：…", "答：…", …]}, HuatuoGPT_sft_data_v1.

Who speaks stands before each text, with a full-width or a half-width colon, and is no part of it. Every turn
is read; a question without an answer at the end is told, not dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.datasets.base import (
    ASSISTANT,
    SFT,
    USER,
    Conversation,
    Message,
    Row,
    RowProblem,
    excerpt,
    required_list,
    type_name,
)

name = "huatuo"
purpose = SFT
shape = '{"data": ["问：…", "答：…"]}'
columns: Mapping[str, str] = {"data": "data"}

SPEAKERS: Mapping[str, str] = {"问": USER, "答": ASSISTANT}
# As nearly all are written; the pattern knows the others.
_USUAL = {f"{mark}{colon}": role for mark, role in SPEAKERS.items() for colon in "：:"}
_SPEAKER = re.compile(r"\s*([问答])[：:]")


def sniff(row: Row) -> bool:
    """Whether it has a list of texts whose first is a question."""
    texts = row.get("data")
    first = texts[0] if isinstance(texts, list) and texts else None
    return isinstance(first, str) and _SPEAKER.match(first) is not None


def read(row: Row, columns: Mapping[str, str]) -> Conversation:
    """Every text as a turn of its speaker."""
    turns = []
    for text in required_list(row, columns["data"], shape, "texts"):
        role = _USUAL.get(text[:2]) if type(text) is str else None
        turns.append({"role": role, "content": text[2:]} if role else _turn(text))
    return turns


def _turn(text: Any) -> Message:
    if not isinstance(text, str):
        raise RowProblem("not text", f"a turn is {type_name(text)}: {excerpt(text)}", f"a row is {shape}")
    speaker = _SPEAKER.match(text)
    if speaker is None:
        what = f"a turn does not say who speaks: {excerpt(text)}"
        raise RowProblem("speaker", what, "begin it with 问： or 答：")
    return {"role": SPEAKERS[speaker[1]], "content": text[speaker.end() :]}
