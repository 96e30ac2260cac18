"""`conch sft`: fine-tune and export."""

from __future__ import annotations

from orchestrator.cli.verb import Outcome, RunOptions, run_options, verb


@verb(example="conch sft magic_conch\nconch sft magic_conch --set train.learning_rate=5e-4")
@run_options
def command(*, options: RunOptions) -> Outcome:
    """Fine-tune and export: fetch, prepare, prove, train, export, prove.

    Refuses to train when training and serving tokens differ (exit 5), unless you pass --accept-mismatch.
    """
    from orchestrator.cli.carry_out import carry_out
    from orchestrator.plan.plan import TRAIN

    return carry_out(options, TRAIN)
