"""`conch why`: where is what was trained lost on its way to a client?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.verb import Outcome, recipe_argument, verb

if TYPE_CHECKING:
    from orchestrator.execute.proving.diagnose import Why

_ANSWER = 300


@verb(example="conch why magic_conch\nconch why magic_conch --base-url http://127.0.0.1:8000/v1 --json")
@recipe_argument
@click.option(
    "--base-url",
    default="",
    metavar="URL",
    help="Ask the server that is up there; one is started where it is needed when absent.",
)
@click.option(
    "--model", default="", metavar="NAME", help="That server's model name; the recipe's when absent."
)
def command(*, recipe: str, base_url: str, model: str) -> Outcome:
    """Find the first place where the effect of training is lost.

    The base, the base with the adapter, the merged export and the server are asked the recipe's questions
    (at most eight), and their answers judged by the recipe's own checks. Exits 0 when nothing is lost on the
    way; else 5, with the place, the evidence, and what to do.
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
        server=Server(base_url.rstrip("/"), model) if base_url else None,
    )
    code = 5 if found.finding.lost_at else 0
    return Outcome(data=_data(found), text="\n".join(_lines(found)), exit_code=code)


def _data(found: Why) -> dict[str, Any]:
    finding = found.finding
    arms = {
        arm.name: {
            "passed": arm.good,
            "asked": len(arm.passed),
            "cases": dict(arm.passed),
            "answers": dict(arm.answers),
            "source": arm.source,
        }
        for arm in found.arms
    }
    return {
        "run": found.run.name,
        "lost_at": finding.lost_at or None,
        "sentence": finding.sentence,
        "arms": arms,
        "evidence": list(finding.evidence),
        "hint": finding.hint,
        "lost_cases": list(finding.cases),
        "questions": {case.id: list(case.ask) for case in found.cases},
    }


def _lines(found: Why) -> Iterable[str]:
    from orchestrator.cli.text.terminal import one_line, table, visible

    asked = len(found.cases)
    rows = [(arm.name, f"{arm.good} of {asked}", arm.source) for arm in found.arms]
    yield table(("asked", "right", "answers"), rows, bad=[arm.good < asked for arm in found.arms])
    finding = found.finding
    if finding.cases:
        case = next(case for case in found.cases if case.id == finding.cases[0])
        yield f"{case.id}: {visible(' → '.join(case.ask))}"
        answers = [
            ("✓" if arm.passed[case.id] else "✗", arm.name, one_line(arm.answers[case.id], _ANSWER))
            for arm in found.arms
        ]
        yield table(("", "asked", "answer"), answers, bad=[not arm.passed[case.id] for arm in found.arms])
    yield visible(finding.sentence)
    for line in finding.evidence:
        yield f"  {visible(line)}"
    if finding.hint:
        yield f"  → {visible(finding.hint)}"
