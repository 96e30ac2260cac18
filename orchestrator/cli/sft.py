"""`conch sft`: fine-tune and export."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.cli.verb import (
    Outcome,
    accept_option,
    detach_option,
    hardware_option,
    recipe_argument,
    set_option,
    verb,
)


@verb(example="conch sft magic_conch\nconch sft magic_conch --set train.learning_rate=5e-4")
@recipe_argument
@set_option
@hardware_option
@accept_option
@detach_option
def command(
    *, recipe: str, sets: Sequence[str], hardware: str, accept_mismatch: bool, detach: bool
) -> Outcome:
    """Fine-tune and export: fetch, prepare, prove, train, export, prove.

    Refuses to train when training and serving tokens differ (exit 5), unless you pass --accept-mismatch.
    """
    from orchestrator.cli.carry_out import carry_out
    from orchestrator.plan.plan import TRAIN

    return carry_out(
        recipe,
        TRAIN,
        sets=sets,
        hardware=hardware,
        accept_mismatch=accept_mismatch,
        detach=detach,
    )
