"""`conch runs`: the group of verbs that look at runs that were made."""

from __future__ import annotations

import click

from orchestrator.cli.verb import VerbGroup

# One line a verb: its module is orchestrator/cli/runs_VERB.py.
RUNS_VERBS: dict[str, str] = {
    "ls": "List runs, and how each stands.",
    "show": "Say what a run was made of, and what came of it.",
    "diff": "Say what differs between two runs.",
}


@click.group(
    name="runs", cls=VerbGroup, verbs=RUNS_VERBS, prefix="runs_", epilog="\b\nExample:\n  conch runs ls"
)
def command() -> None:
    """Look at the runs that were made: which there are, what each was made of, what differs."""
