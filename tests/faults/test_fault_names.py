"""Every numbered fault has a test, or the reason why not; no test names a fault that is not listed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.cases import CASES

_TEST = re.compile(r"^def test_fault_(\d{3})_(control)?", re.MULTILINE)


def test_every_fault_has_a_test_or_a_reason() -> None:
    named, controls = set[int](), set[int]()
    for file in Path(__file__).parents[1].rglob("test_*.py"):
        for number, control in _TEST.findall(file.read_text(encoding="utf-8")):
            (controls if control else named).add(int(number))
    untested = {number for number, case in CASES.items() if case.untested}
    assert named | controls <= set(CASES)
    assert sorted(set(CASES) - named - untested) == []
    assert not named & untested, "a case that is tested needs no reason"
    assert len(controls) >= 20, "the tests that the fault bites without its guard"
