"""Rows that were there before are found, in a dict and in arrays alike; and memory ends somewhere."""

from __future__ import annotations

import pytest

from orchestrator.datasets import duplicates
from orchestrator.datasets.base import Conversation
from orchestrator.datasets.duplicates import Duplicates


def talk(*texts: str) -> Conversation:
    return [{"role": "user", "content": text} for text in texts]


@pytest.fixture(params=[duplicates.IN_DICT, 8], ids=["dict", "arrays"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Duplicates:
    monkeypatch.setattr(duplicates, "IN_DICT", request.param)
    made = Duplicates()
    for number in range(5000):
        assert made.relation(talk(f"问题{number}", "答")) == ""
    return made


def test_it_tells_how_a_row_relates_to_those_before(room: Duplicates) -> None:
    assert room.relation(talk("问题7", "答")) == "duplicate rows"
    assert room.relation(talk("问 题7\n", "答")) == "same question, spelled otherwise"
    assert room.relation(talk("问 题7\n", "答")) == "duplicate rows"
    assert room.relation(talk("问题7", "别的")) == "one question, several answers"
    assert room.relation(talk("问题7", "别的")) == "duplicate rows"
    assert room.relation(talk("问题7", "答", "再问", "答")) == ""
    assert room.relation(talk("问题7", "答", "再问", "答")) == "duplicate rows"
    assert room.relation(talk("问题7", "另", "再问", "答")) == "", "another conversation"


def test_past_its_size_it_says_so_and_still_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "IN_DICT", 10)
    small = Duplicates(most=20)
    for number in range(40):
        small.relation(talk(str(number), "答"))
    assert small.full
    assert small.relation(talk("3", "答")) == "duplicate rows"
    assert small.relation(talk("39", "答")) == ""
