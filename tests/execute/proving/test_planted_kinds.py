"""Planted faults of preferences, likes and documents, judged by the tasks that make the proofs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.planted_kinds import KIND_CASES


@pytest.mark.parametrize("name", KIND_CASES)
def test_each_fault_is_named_and_nothing_else_fails(name: str, tmp_path: Path) -> None:
    assert KIND_CASES[name].judge(tmp_path) == ""


def test_there_are_as_many_as_promised() -> None:
    planted = [case for case in KIND_CASES.values() if case.proof]
    assert len(planted) >= 15
    assert len(KIND_CASES) - len(planted) >= 15
