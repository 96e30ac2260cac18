"""`conch why`: find where the effect of training is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, base_url_option, recipe_argument, verb
from orchestrator.results import json_of

if TYPE_CHECKING:
    from orchestrator.execute.proving.diagnose import Why

_ANSWER = 300


@verb(example="conch why magic_conch\nconch why magic_conch --base-url http://127.0.0.1:8000/v1 --json")
@recipe_argument
@base_url_option("Use this running server instead of starting one.")
@click.option("--model", default="", metavar="NAME", help="Model name of that server; default: the recipe's.")
def command(*, recipe: str, base_url: str, model: str) -> Outcome:
    """Find the first stage where the effect of training is lost.

    Asks the base, the base with the adapter, the merged export and the server the recipe's questions (at most
    eight), and checks the answers as the recipe says. Exits with 0 if nothing is lost, otherwise with
    5, the stage, the evidence and what to do.
    """
    from pathlib import Path

    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.project import recipes
    from orchestrator.execute.proving.diagnose import why
    from orchestrator.execute.runner.existing_run import Server

    found = why(
        recipe,
        project=recipes.project_folder(Path.cwd()),
        progress=TerminalProgress(),
        server=Server(base_url, model) if base_url else None,
    )
    code = 5 if found.finding.lost_at else 0
    return Outcome(data=_data(found), text="\n".join(_lines(found)), exit_code=code)


def _data(found: Why) -> dict[str, object]:
    finding = found.finding
    stages = {
        stage.name: {
            "passed": stage.good,
            "total": len(stage.passed),
            "cases": dict(stage.passed),
            "answers": dict(stage.answers),
            "source": stage.source,
        }
        for stage in found.stages
    }
    data = {
        "run": found.run.name,
        "lost_at": finding.lost_at or None,
        "sentence": finding.sentence,
        "stages": stages,
        "evidence": finding.evidence,
        "hint": finding.hint,
        "lost_cases": finding.cases,
        "questions": {case.id: list(case.ask) for case in found.cases},
    }
    return dict(json_of(data))


def _lines(found: Why) -> Iterable[str]:
    from orchestrator.cli.text.terminal import table
    from orchestrator.outside import one_line, visible

    total = len(found.cases)
    rows = [(stage.name, f"{stage.good} of {total}", stage.source) for stage in found.stages]
    yield table(("stage", "correct", "answers"), rows, bad=[stage.good < total for stage in found.stages])
    finding = found.finding
    if finding.cases:
        case = next(case for case in found.cases if case.id == finding.cases[0])
        yield f"{case.id}: {visible(' → '.join(case.ask))}"
        answers = [
            ("✓" if stage.passed[case.id] else "✗", stage.name, one_line(stage.answers[case.id], _ANSWER))
            for stage in found.stages
        ]
        yield table(
            ("", "stage", "answer"), answers, bad=[not stage.passed[case.id] for stage in found.stages]
        )
    yield visible(finding.sentence)
    for line in finding.evidence:
        yield f"  {visible(line)}"
    if finding.hint:
        yield f"  → {visible(runnable(finding.hint))}"
