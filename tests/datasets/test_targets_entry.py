"""LLaMA-Factory's dataset_info.json: complete, and safe in any locale."""

from __future__ import annotations

import json

from orchestrator.datasets.targets import dataset_info_text, entry_of


def test_an_entry_names_every_tag() -> None:
    """Cases 29 and 30 of the table of mistakes: a partial `tags` or `columns` resets the rest."""
    assert entry_of("x.jsonl", "sharegpt", "sft") == {
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
    assert json.loads(text) == {
        name: entry_of(f"{name}.jsonl", "sharegpt", "sft") for name in ("magic_conch", "海螺")
    }
