"""`conch runs ls`: the runs and their status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, current_project, verb

if TYPE_CHECKING:
    from orchestrator.execute.run_store.listing import RunSummary


@verb(example="conch runs ls\nconch runs ls magic_conch --json")
@click.argument("recipe", default="", metavar="[RECIPE]")
def command(recipe: str) -> Outcome:
    """List the runs of the project or of one recipe, oldest first within a recipe."""
    from orchestrator.cli.text.terminal import aligned
    from orchestrator.errors import Problem, UsageError
    from orchestrator.execute.project import recipes
    from orchestrator.execute.run_store.listing import summaries

    project = current_project()
    found = summaries(project, recipe)
    if recipe and not found and recipe not in recipes.names(project):
        raise UsageError(
            Problem(f"there is no run or recipe named {recipe}", str(project / "runs"), "conch ls")
        )
    data = {"runs": [one.to_json() for one in found]}
    return Outcome(
        data, "\n".join(aligned(table(found))) if found else runnable("no runs yet: conch run RECIPE")
    )


def table(found: Sequence[RunSummary]) -> list[list[str]]:
    """One row per run: name, status, start of the latest attempt, stage, and why it ended."""
    from orchestrator.cli.text.terminal import local_time
    from orchestrator.outside import one_line

    rows = [["run", "status", "started", "stage", ""]]
    for one in found:
        stage = f"{one.stage} ({one.stages} done)" if one.stage else ""
        rows.append([one.run, str(one.standing), local_time(one.began), stage, one_line(one.reason)[:80]])
    return rows
