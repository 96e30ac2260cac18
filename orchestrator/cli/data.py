"""`conch data`: the verbs that examine and prepare data files."""

from __future__ import annotations

import click

from orchestrator.cli.verb import VerbGroup

# One line a verb: its module is orchestrator/cli/data_VERB.py.
DATA_VERBS: dict[str, str] = {
    "stats": "Show lengths, repetitions and languages of a dataset.",
    "preview": "Show rows token by token, as they are trained.",
    "audit": "Check a data file for rows that would be dropped or trained incorrectly.",
    "convert": "Convert a data file of any format into one that LLaMA-Factory reads.",
    "split": "Split a data file into training, validation and test sets that share no question.",
    "add": "Create a dataset and a recipe from a file, or from a dataset on a hub.",
}


@click.group(
    name="data",
    cls=VerbGroup,
    verbs=DATA_VERBS,
    prefix="data_",
    epilog="\b\nExample:\n  conch data audit my_rows.jsonl",
)
def command() -> None:
    """Inspect and prepare data files."""
