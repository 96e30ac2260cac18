"""LLaMA-Factory's dataset_info.json: complete, and safe in any locale."""

from __future__ import annotations

import json

from orchestrator.datasets.dataset_info import dataset_info_text, entry


def test_an_entry_names_every_tag() -> None:
    """Cases 29 and 30 of the table of mistakes: a partial `tags` or `columns` resets the rest."""
    assert entry("x") == {
        "file_name": "x.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "observation_tag": "observation",
            "function_tag": "function_call",
            "system_tag": "system",
        },
    }


def test_the_file_is_ascii_and_whole() -> None:
    text = dataset_info_text(["magic_conch", "海螺"])
    assert text.isascii()
    assert json.loads(text) == {"magic_conch": entry("magic_conch"), "海螺": entry("海螺")}
