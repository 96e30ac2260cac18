"""`conch runs`: the group of verbs that inspect runs."""

from __future__ import annotations

import click

from orchestrator.cli.verb import VerbGroup

# One line per verb; its module is orchestrator/cli/runs_VERB.py.
RUNS_VERBS: dict[str, str] = {
    "ls": "List runs and their status.",
    "show": "Show a run's inputs and results.",
    "diff": "Show what differs between two runs.",
}


@click.group(
    name="runs", cls=VerbGroup, verbs=RUNS_VERBS, prefix="runs_", epilog="\b\nExample:\n  conch runs ls"
)
def command() -> None:
    """Inspect runs: list them, show their inputs and results, compare two of them."""
