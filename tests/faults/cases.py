"""The numbered faults, read from cases.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).parent / "cases.yaml"


@dataclass(frozen=True, slots=True)
class Case:
    """One fault.

    Attributes:
        what: what happens, and what the user must see; a number at its end is the exit code.
        untested: why no test of it runs on a machine without a GPU; "" when one does.
    """

    what: str
    untested: str = ""


def _read() -> dict[int, Case]:
    found: dict[str, dict[int, Any]] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    cases = {number: value for group in found.values() for number, value in group.items()}
    return {
        number: Case(**value) if isinstance(value, dict) else Case(value)
        for number, value in sorted(cases.items())
    }


CASES = _read()
