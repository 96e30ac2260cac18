"""`conch data`: the group of verbs that look into data files and prepare them."""

from __future__ import annotations

import click

from orchestrator.cli.verb import VerbGroup

# One line a verb: its module is orchestrator/cli/data_VERB.py.
DATA_VERBS: dict[str, str] = {
    "stats": "Say how long rows are, how often the same is said, and in which languages.",
    "preview": "Show rows token by token, as they are trained.",
    "audit": "Say what a data file holds, and every row that would be dropped or trained wrongly.",
    "convert": "Write a data file of any shape as one that LLaMA-Factory reads.",
    "split": "Split a data file into training, validation and test sets that share no question.",
    "add": "Make a data set and a recipe of a file, or of a data set of a hub.",
}


@click.group(
    name="data",
    cls=VerbGroup,
    verbs=DATA_VERBS,
    prefix="data_",
    epilog="\b\nExample:\n  conch data audit my_rows.jsonl",
)
def command() -> None:
    """Look into data files, and prepare them."""
