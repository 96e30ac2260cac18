"""`conch run`: from a recipe to verified answers."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, RunOptions, run_options, verb


@verb(
    example="conch run magic_conch\nconch run recipes/magic_conch.yaml --set train.epochs=3\n"
    "conch run magic_conch --until target"
)
@run_options
@click.option(
    "--until",
    type=click.Choice(["target"]),
    default=None,
    help="Try the settings of the recipe's sweep, one run each, until its target is met.",
)
def command(*, options: RunOptions, until: str | None) -> Outcome:
    """Run a whole recipe: fetch, prepare, prove, train, export, serve, verify, report.

    After an interruption, run it again: completed stages are skipped. Exits 5 if a check fails, a proof does
    not hold or the recipe's target is missed.
    """
    if until:
        from orchestrator.cli.until import run_until

        return run_until(options)
    from orchestrator.cli.carry_out import carry_out
    from orchestrator.plan.plan import RUN

    return carry_out(options, RUN)
