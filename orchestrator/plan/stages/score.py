"""score: the trainer's own loss of held-out and trained rows, with the adapter and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.backends import llamafactory
from orchestrator.datasets.base import SFT
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import DATA_PROOF, SCORES

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

# Rows of each kind, trained and held out; more where a rate or a mean is estimated from them.
ROWS, ESTIMATED = 12, 32


def stage(job: Job) -> Stage:
    """What the server is held against; it needs no server itself."""
    longest = job.recipe.serve.max_model_len or job.recipe.data.cutoff_len + 1
    words = (
        *("train.yaml", "--adapter", "adapter", "--ids", f"{DATA_PROOF}/training_ids.jsonl"),
        *("--rows", str(ROWS if job.kind.purpose == SFT else ESTIMATED), "--max-len", str(longest)),
        *("--out", f"{partial(SCORES)}/trainer_loss.jsonl"),
    )
    return Stage(
        name="score",
        commands=(llamafactory.trainer_probe(job, "trainer_loss.py", *words),),
        inputs=("inputs", DATA_PROOF, "adapter"),
        outputs=(SCORES,),
    )
