"""prove_served: the running server's own tokens and losses against those of training."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.backends.engines import config_file, export_service
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import CONVERSATIONS, DATA_PROOF, SCORES, SERVED_PROOF, task
from orchestrator.plan.stages.prove_data import template_file

# Rows of each kind that the server is asked about: it takes seconds, and a fault shows in the first of them.
ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveServedSettings:
    """Settings of the task `prove_served`: files, and the number of rows of each kind."""

    training_ids: str
    conversations: str
    prepared: str
    rows: int
    out: str
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreServedSettings:
    """Settings of the task `score_served`: files; `trainer` is what probes/trainer_loss.py wrote."""

    training_ids: str
    conversations: str
    trainer: str
    out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveLossSettings:
    """Settings of the task `prove_loss`: files, and the server's dtype."""

    training_ids: str
    trainer: str
    served: str
    prepare: str
    dtype: str
    out: str
    accept_mismatch: bool = False


def stage(job: Job) -> Stage:
    """What clients send and how the weights answer; a "no" does not keep the questions from being asked."""
    made = partial(SERVED_PROOF)
    ids, prepared = f"{DATA_PROOF}/training_ids.jsonl", "data/prepare.json"
    trainer, scores = f"{SCORES}/trainer_loss.jsonl", f"{made}/served_loss.jsonl"
    proofs = (
        task(
            "prove_served",
            ProveServedSettings(
                training_ids=ids,
                conversations=CONVERSATIONS,
                prepared=prepared,
                rows=ROWS,
                accept_mismatch=job.accept_mismatch,
                out=f"{made}/parity.json",
            ),
        ),
        task(
            "score_served",
            ScoreServedSettings(training_ids=ids, conversations=CONVERSATIONS, trainer=trainer, out=scores),
        ),
        task(
            "prove_loss",
            ProveLossSettings(
                training_ids=ids,
                trainer=trainer,
                served=scores,
                prepare=prepared,
                dtype=job.dtype,
                accept_mismatch=job.accept_mismatch,
                out=f"{made}/loss.json",
            ),
        ),
    )
    return Stage(
        name="prove_served",
        files=(
            config_file(job),
            template_file(job),
            *(file for file, _ in proofs),
        ),
        commands=tuple(command for _, command in proofs),
        inputs=("export", "data", DATA_PROOF, SCORES),
        outputs=(SERVED_PROOF,),
        service=export_service(job),
    )
