"""score: the trainer's own loss of held-out and trained rows, with the adapter and without it.

Of a reward model its scores of pairs, and those of its export.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.backends import llamafactory
from orchestrator.datasets.base import SFT
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import DATA_PROOF, REWARDS, SCORES, TRAINER_LOSS

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

# Rows of each kind, trained and held out; more where a rate or a mean is estimated from them.
ROWS, ESTIMATED = 12, 32


def stage(job: Job) -> Stage:
    """What the server is held against; it needs no server itself."""
    longest = job.recipe.serve.max_model_len or job.recipe.data.cutoff_len + 1
    more: tuple[str, ...] = ()
    script, out = "trainer_loss.py", TRAINER_LOSS
    if job.kind.scores:
        script, out, more = "reward_scores.py", REWARDS, ("--export", "export")
    words = (
        *("train.yaml", "--adapter", job.adapter, "--ids", f"{DATA_PROOF}/training_ids.jsonl"),
        *("--rows", str(ROWS if job.kind.purpose == SFT else ESTIMATED), "--max-len", str(longest)),
        *("--out", f"{partial(SCORES)}/{out}", *more),
    )
    return Stage(
        name="score",
        commands=(llamafactory.trainer_probe(job, script, *words),),
        inputs=("inputs", DATA_PROOF, "adapter", *more[1:]),
        outputs=(SCORES,),
    )
