"""huatuo: {"data": ["问：…", "答：…", …]}, HuatuoGPT_sft_data_v1.

The mark of the speaker, with a full-width or half-width colon, is not part of the text. Every turn is read; a
last question without an answer is reported, not dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
from orchestrator.datasets.formats.base import Columns, no_other_names, required_list

name = "huatuo"
purpose = SFT
shape = '{"data": ["问：…", "答：…"]}'
columns: Columns = {"data": "data"}
resolve = no_other_names

SPEAKERS: Mapping[str, str] = {"问": USER, "答": ASSISTANT}
# The usual spellings, for speed; the pattern covers the rest.
_USUAL = {f"{mark}{colon}": role for mark, role in SPEAKERS.items() for colon in "：:"}
_SPEAKER = re.compile(r"\s*([问答])[：:]")


def sniff(row: Row) -> bool:
    """Whether it has a list of texts that begins with a question."""
    texts = row.get("data")
    first = texts[0] if isinstance(texts, list) and texts else None
    return isinstance(first, str) and _SPEAKER.match(first) is not None


def read(row: Row, columns: Columns) -> Conversation:
    """Every text as a turn of its speaker."""
    turns = []
    for text in required_list(row, columns["data"], shape, "texts"):
        role = _USUAL.get(text[:2]) if type(text) is str else None
        turns.append({"role": role, "content": text[2:]} if role else _turn(text))
    return turns


def _turn(text: object) -> Message:
    if not isinstance(text, str):
        raise RowProblem("not text", f"a turn is {type_name(text)}: {excerpt(text)}", f"a row is {shape}")
    speaker = _SPEAKER.match(text)
    if speaker is None:
        what = f"a turn does not name its speaker: {excerpt(text)}"
        raise RowProblem("speaker", what, "begin it with 问： or 答：")
    return {"role": SPEAKERS[speaker[1]], "content": text[speaker.end() :]}
