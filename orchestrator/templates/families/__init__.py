"""Template families: the marks around messages, one file per family, found by this table.

To add a family, add a file with `FAMILY = Family(…)` and its line here, then write its chat templates:
`pytest tests/templates/test_pairing.py --golden`. Only templates/ reads this package.
"""

from __future__ import annotations

from orchestrator.errors import Problem, UsageError
from orchestrator.templates.families import chatml, deepseek, llama3
from orchestrator.templates.families.base import Family, Layout

FAMILIES: dict[str, Family] = {
    "deepseek": deepseek.FAMILY,
    "chatml": chatml.FAMILY,
    "llama3": llama3.FAMILY,
}


def layouts() -> dict[str, Layout]:
    """The layout of each LLaMA-Factory template of all families, by name."""
    return {name: layout for family in FAMILIES.values() for name, layout in family.layouts.items()}


def layout_of(training: str) -> Layout:
    """The layout of a LLaMA-Factory template.

    Raises:
        UsageError: no family has this template; lists those that exist.
    """
    known = layouts()
    if training not in known:
        what = f"template.name: no chat template can be written for {training!r}"
        raise UsageError(Problem(what, hint=f"use one of {', '.join(sorted(known))}"))
    return known[training]
