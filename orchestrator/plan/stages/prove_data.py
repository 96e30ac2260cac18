"""prove_data: before training, compare the token ids of training with the token ids of serving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.backends import llamafactory
from orchestrator.datasets.base import SFT
from orchestrator.plan.stage import Command, RenderedFile, Runtime, Stage, partial
from orchestrator.plan.stages.base import (
    CONVERSATIONS,
    DATA_PROOF,
    ENVIRONMENT,
    CompareSettings,
    serving_probe,
    task,
    template_file,
    unproven,
)

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveRowsSettings:
    """Settings of the task `prove_rows`: paths in the run folder."""

    training_ids: str
    prepare: str
    conversations: str
    out: str
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveTokenizerSettings:
    """Settings of the task `prove_tokenizer`: the files of the two probes."""

    training_ids: str
    serving_ids: str
    out: str
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveTruncationSettings:
    """Settings of the task `prove_truncation`; `limit` is data.max_truncated_fraction."""

    training_ids: str
    prepare: str
    conversations: str
    out: str
    limit: float | None = None
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveEnvironmentSettings:
    """Settings of the task `prove_environment`: what probes/model_values.py wrote in each environment."""

    trainer: str
    other: str
    prepare: str
    out: str
    accept_mismatch: bool = False


def stage(job: Job) -> Stage:
    """Ids from LLaMA-Factory's own pipeline, ids from vLLM's own renderer, and their comparison."""
    made, prepare, accept = partial(DATA_PROOF), "data/prepare.json", job.accept_mismatch
    training, serving = f"{made}/training_ids.jsonl", f"{made}/serving_ids.jsonl"
    names = ",".join([*job.prepared, "conch_generated", "conch_held_out"])
    strips = job.kind.purpose != SFT and job.recipe.template.history == "strip"
    history = ("--mask-history",) if strips else ()
    words = ("train.yaml", "--datasets", names, *history, "--out", training)
    rows = ProveRowsSettings(
        training_ids=training,
        prepare=prepare,
        conversations=CONVERSATIONS,
        out=f"{made}/rows.json",
        accept_mismatch=accept,
    )
    tokenizer = ProveTokenizerSettings(
        training_ids=training, serving_ids=serving, out=f"{made}/tokenizer.json", accept_mismatch=accept
    )
    parity = CompareSettings(
        name="parity:data",
        training_ids=training,
        serving_ids=serving,
        out=f"{made}/parity.json",
        accept_mismatch=accept,
    )
    truncation = ProveTruncationSettings(
        training_ids=training,
        prepare=prepare,
        conversations=CONVERSATIONS,
        limit=job.recipe.data.max_truncated_fraction,
        out=f"{made}/truncation.json",
        accept_mismatch=accept,
    )
    proofs = [task("prove_rows-data", rows), task("prove_tokenizer-data", tokenizer)]
    if parity.name not in unproven(job):
        proofs += [task("compare-data", parity), task("prove_truncation-data", truncation)]
    values: tuple[Command, ...] = ()
    if ENVIRONMENT in job.kind.proofs:
        file, command = _environment(job)
        values, proofs = _values(job, training), [(file, command), *proofs]
    return Stage(
        name="prove_data",
        files=(
            RenderedFile("train.yaml", llamafactory.train_yaml(job)),
            template_file(job),
            *(file for file, _ in proofs),
        ),
        commands=(
            llamafactory.trainer_probe(job, "training_ids.py", *words),
            serving_probe(job, "inputs/base", serving),
            *values,
            *(command for _, command in proofs),
        ),
        inputs=("inputs", "data"),
        outputs=(DATA_PROOF,),
        gate=True,
        at_once=2,
    )


VALUES_OF_TRAINER, VALUES = "values_trainer.jsonl", "values.jsonl"


def _values(job: Job, training: str) -> tuple[Command, ...]:
    """What the models compute where the training runs, and where they were exported."""
    made = partial(DATA_PROOF)
    ids = ("--ids", training, "--out")
    plain = ("--base", "inputs/base", "--reward", "inputs/reward", *ids, f"{made}/{VALUES}")
    argv = ("{train}/bin/python", "{probes}/model_values.py", *plain)
    words = ("train.yaml", *ids, f"{made}/{VALUES_OF_TRAINER}")
    return (
        llamafactory.trainer_probe(job, "model_values.py", *words),
        Command(argv=argv, runtime=Runtime.TRAIN),
    )


def _environment(job: Job) -> tuple[RenderedFile, Command]:
    made = partial(DATA_PROOF)
    settings = ProveEnvironmentSettings(
        trainer=f"{made}/{VALUES_OF_TRAINER}",
        other=f"{made}/{VALUES}",
        prepare="data/prepare.json",
        out=f"{made}/environment.json",
        accept_mismatch=job.accept_mismatch,
    )
    return task("prove_environment", settings)
