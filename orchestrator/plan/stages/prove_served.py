"""prove_served: the running server's own tokens and losses against those of training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.backends.engines import config_file, export_service
from orchestrator.plan.stage import Command, RenderedFile, Stage, partial
from orchestrator.plan.stages.base import (
    CONVERSATIONS,
    DATA_PROOF,
    LOSS,
    REWARDS,
    SAMPLING,
    SCORES,
    SERVED_PROOF,
    TOKENS,
    TRAINER_LOSS,
    task,
    template_file,
    unproven,
)

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

# Rows of each kind that the server is asked about: it takes seconds, and a fault shows in the first of them.
ROWS = 12
TRAINING_IDS = f"{DATA_PROOF}/training_ids.jsonl"
PREPARED = "data/prepare.json"
# Proofs of training kinds that are made of the same scores as `loss`.
BY_SCORES = frozenset({"preference", "perplexity"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveServedSettings:
    """Settings of the task `prove_served`: files, and the number of rows of each kind."""

    training_ids: str
    conversations: str
    prepared: str
    rows: int
    accept_mismatch: bool = False
    out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveSamplingSettings:
    """Settings of the task `prove_sampling`: the exported model, and the serving engine's name."""

    export: str
    engine: str
    out: str
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreServedSettings:
    """Settings of the tasks `score_served` and `reward_served`: files.

    `trainer` is what probes/trainer_loss.py, or reward_scores.py, wrote.
    """

    training_ids: str
    conversations: str
    trainer: str
    out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveLossSettings:
    """Settings of the tasks in execute/proving/prove_loss.py: files, and the server's dtype."""

    training_ids: str
    trainer: str
    served: str
    prepare: str
    dtype: str
    accept_mismatch: bool = False
    out: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveRewardSettings:
    """Settings of the tasks `prove_reward` and `prove_reward_accuracy`: files, and the server's dtype."""

    trainer: str
    served: str
    prepare: str
    dtype: str
    accept_mismatch: bool = False
    out: str


def stage(job: Job) -> Stage:
    """First the sampling and the tokens, then the losses; a "no" does not stop the next."""
    missing = unproven(job)
    proofs = [] if SAMPLING in missing else [_sampling(job)]
    proofs += [] if TOKENS in missing else [_tokens(job)]
    proofs += [] if LOSS in missing else _losses(job)
    proofs += _rewards(job) if job.kind.scores else []
    return Stage(
        name="prove_served",
        files=(config_file(job), template_file(job), *(file for file, _ in proofs)),
        commands=tuple(command for _, command in proofs),
        inputs=("export", "data", DATA_PROOF, SCORES),
        outputs=(SERVED_PROOF,),
        service=export_service(job),
    )


def _sampling(job: Job) -> tuple[RenderedFile, Command]:
    settings = ProveSamplingSettings(
        export="export",
        engine=job.recipe.serve.engine,
        out=f"{partial(SERVED_PROOF)}/sampling.json",
        accept_mismatch=job.accept_mismatch,
    )
    return task("prove_sampling", settings)


def _tokens(job: Job) -> tuple[RenderedFile, Command]:
    settings = ProveServedSettings(
        training_ids=TRAINING_IDS,
        conversations=CONVERSATIONS,
        prepared=PREPARED,
        rows=ROWS,
        accept_mismatch=job.accept_mismatch,
        out=f"{partial(SERVED_PROOF)}/parity.json",
    )
    return task("prove_served", settings)


def _scored(trainer: str, served: str) -> ScoreServedSettings:
    """What the server scores after the trainer; both are file names."""
    return ScoreServedSettings(
        training_ids=TRAINING_IDS,
        conversations=CONVERSATIONS,
        trainer=f"{SCORES}/{trainer}",
        out=f"{partial(SERVED_PROOF)}/{served}",
    )


def _rewards(job: Job) -> list[tuple[RenderedFile, Command]]:
    scored = _scored(REWARDS, "served_rewards.jsonl")
    compared = ProveRewardSettings(
        trainer=scored.trainer,
        served=scored.out,
        prepare=PREPARED,
        dtype=job.dtype,
        accept_mismatch=job.accept_mismatch,
        out=f"{partial(SERVED_PROOF)}/reward.json",
    )
    tasks = [task("reward_served", scored), task("prove_reward", compared)]
    if "reward:accuracy" in unproven(job):
        return tasks
    accuracy = replace(compared, out=f"{partial(SERVED_PROOF)}/reward_accuracy.json")
    return [*tasks, task("prove_reward_accuracy", accuracy)]


def _losses(job: Job) -> list[tuple[RenderedFile, Command]]:
    scored = _scored(TRAINER_LOSS, "served_loss.jsonl")
    compared = ProveLossSettings(
        training_ids=TRAINING_IDS,
        trainer=scored.trainer,
        served=scored.out,
        prepare=PREPARED,
        dtype=job.dtype,
        accept_mismatch=job.accept_mismatch,
        out=f"{partial(SERVED_PROOF)}/loss.json",
    )
    tasks = [task("score_served", scored), task("prove_loss", compared)]
    names = [name for name in job.kind.proofs if name in BY_SCORES]
    outs = {name: f"{partial(SERVED_PROOF)}/{name}.json" for name in names}
    return tasks + [task(f"prove_{name}", replace(compared, out=out)) for name, out in outs.items()]
