"""docs/traps.md: every silent trap names a test that exists, and there are as many as promised."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANSWERS = ("refused", "avoided", "proven")


def _traps() -> list[list[str]]:
    text = (ROOT / "docs/traps.md").read_text(encoding="utf-8")
    table = re.search("<!-- traps -->(.*)<!-- /traps -->", text, re.DOTALL)
    assert table
    rows = [line for line in table[1].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))] for row in rows]


TRAPS = _traps()


def test_there_are_as_many_as_promised_and_none_twice() -> None:
    assert len(TRAPS) >= 20
    assert len({trap[0] for trap in TRAPS}) == len(TRAPS)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap[0][:40])
def test_a_trap_is_answered_by_a_test_that_exists(trap: list[str]) -> None:
    _, does, answer, test = trap
    assert does
    assert answer.startswith(ANSWERS)
    path, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test
