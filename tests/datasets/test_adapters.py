"""The board of adapters: each sniffs its own shape, and no other's."""

from __future__ import annotations

import json

import pytest

from orchestrator.datasets import ADAPTERS, sniff


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_each_adapter_reads_the_shape_that_it_shows(name: str) -> None:
    adapter = ADAPTERS[name]
    row = json.loads(adapter.shape)
    assert adapter.name == name
    assert sniff(row) == name
    assert [message["role"] for message in adapter.read(row, adapter.columns)][-2:] == ["user", "assistant"]


def test_no_adapter_claims_what_it_does_not_know() -> None:
    assert sniff({"data": ["问：你好", "答：您好"]}) is None
    assert sniff({}) is None
