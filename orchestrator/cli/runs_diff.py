"""`conch runs diff`: what differs between two runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Outcome, current_project, verb

if TYPE_CHECKING:
    from orchestrator.execute.run_store.compare_runs import RunDifference


@verb(example="conch runs diff magic_conch/20261125-084143-b65b magic_conch")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
def command(a: str, b: str) -> Outcome:
    """Show what differs between two runs: recipe, data, base, environments, hardware, proofs, results.

    A and B are RECIPE/ID, or RECIPE for its latest run. Times and paths are ignored.
    """
    from dataclasses import asdict

    from orchestrator.execute.run_store.compare_runs import compare_runs
    from orchestrator.execute.run_store.run_folder import Run

    project = current_project()
    runs = [Run.open(project, name) for name in (a, b)]
    found = compare_runs(*runs)
    data = {"a": runs[0].name, "b": runs[1].name, "differences": [asdict(one) for one in found]}
    if not found:
        return Outcome(data, f"{runs[0].name} and {runs[1].name} differ only in time")
    return Outcome(data, "\n".join(_lines(runs[0].name, runs[1].name, found)))


def _lines(a: str, b: str, found: Sequence[RunDifference]) -> Iterator[str]:
    from orchestrator.outside import one_line

    yield f"- {a}"
    yield f"+ {b}"
    part = ""
    for one in found:
        if one.part != part:
            part = one.part
            yield ""
            yield part
        yield f"  {one_line(one.key)}"
        yield f"    - {one_line(_text(one.a), 120)}" + (f"  ({one.from_a})" if one.from_a else "")
        yield f"    + {one_line(_text(one.b), 120)}" + (f"  ({one.from_b})" if one.from_b else "")


def _text(value: object) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
