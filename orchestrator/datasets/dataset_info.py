"""dataset_info.json as LLaMA-Factory 0.9.5 reads it: every column and all seven tags, always. Pure.

A partial `columns` or `tags` resets what it does not name (data/parser.py), so entries are written whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}


def entry(name: str) -> dict[str, Any]:
    """The entry of a converted data set: NAME.jsonl, {"messages": [{"role", "content"}, …]} a line."""
    return {
        "file_name": f"{name}.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": dict(TAGS),
    }


def dataset_info_text(names: Iterable[str]) -> str:
    r"""The whole file. ASCII only: LLaMA-Factory opens it in the locale's encoding.

    >>> "\\u6d77" in dataset_info_text(["海"])
    True
    """
    return json.dumps({name: entry(name) for name in names}, ensure_ascii=True, indent=2) + "\n"
