"""The board of adapters: each sniffs its own shape, and no other's."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.datasets import ADAPTERS, sniff
from orchestrator.datasets.base import read_conversation


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_each_adapter_reads_the_shape_that_it_shows(name: str) -> None:
    adapter = ADAPTERS[name]
    row = json.loads(adapter.shape)
    assert adapter.name == name
    assert sniff(row) == name
    assert [message["role"] for message in read_conversation(adapter, row, adapter.columns)][-2:] == [
        "user",
        "assistant",
    ]


def test_no_adapter_claims_what_it_does_not_know() -> None:
    assert sniff({"data": ["你好", "您好"]}) is None
    assert sniff({"input": "你好", "output": "您好"}) is None
    assert sniff({}) is None


def test_the_documentation_lists_every_adapter_in_the_order_in_which_they_are_asked() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(ADAPTERS)
