"""prove_export: the export's weights, tokens and stops, and what changed since training; needs no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestrator.backends.engines import CONFIG, config_file
from orchestrator.plan.stage import Command, Runtime, Stage, partial
from orchestrator.plan.stages.base import (
    DATA_PROOF,
    EXPORT_PROOF,
    HASHES,
    CompareSettings,
    HashedPaths,
    hashed_paths,
    serving_probe,
    task,
    template_file,
    unproven,
)

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveHashesSettings(HashedPaths):
    """Settings of the task `prove_hashes`.

    Attributes:
        export: "" before there is one.
        sampling: what the recipe sets of serve.sampling; None in plans of versions without it.
    """

    hashes: str
    out: str
    export: str = ""
    sampling: Mapping[str, float] | None = None
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveMergeSettings:
    """Settings of the task `prove_merge`; `facts` is what probes/merge_check.py wrote."""

    facts: str
    out: str
    accept_mismatch: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveStopSettings:
    """Settings of the task `prove_stop`: the base model's folder, and `stop_ids` of probes/stop_ids.py."""

    training_ids: str
    prepare: str
    stop_ids: str
    base: str
    out: str
    accept_mismatch: bool = False


def stage(job: Job) -> Stage:
    """An export rewrites weights and tokenizer, so what holds for the base is proven again for the export."""
    made, accept = partial(EXPORT_PROOF), job.accept_mismatch
    training, serving = f"{DATA_PROOF}/training_ids.jsonl", f"{made}/serving_ids.jsonl"
    facts, stop_ids = f"{made}/merge_facts.json", f"{made}/stop_ids.json"
    unchanged = ProveHashesSettings(
        **asdict(hashed_paths(job)),
        hashes=HASHES,
        export="export",
        sampling=job.recipe.serve.sampling.given,
        out=f"{made}/hashes.json",
        accept_mismatch=accept,
    )
    merge = ProveMergeSettings(facts=facts, out=f"{made}/merge.json", accept_mismatch=accept)
    stop = ProveStopSettings(
        training_ids=training,
        prepare="data/prepare.json",
        stop_ids=stop_ids,
        base="inputs/base",
        out=f"{made}/stop.json",
        accept_mismatch=accept,
    )
    parity = CompareSettings(
        name="parity:export",
        training_ids=training,
        serving_ids=serving,
        out=f"{made}/parity.json",
        accept_mismatch=accept,
    )
    probes: tuple[Command, ...] = (_merge_probe(job, facts),)
    proofs = [task("prove_hashes-export", unchanged), task("prove_merge-export", merge)]
    missing = unproven(job)
    if parity.name not in missing:
        probes = (*probes, serving_probe(job, "export", serving))
    if "stop" not in missing:
        probes = (*probes, _stop_probe(stop_ids))
        proofs.append(task("prove_stop-export", stop))
    if parity.name not in missing:
        proofs.append(task("compare-export", parity))
    return Stage(
        name="prove_export",
        files=(
            template_file(job),
            config_file(job),
            *(file for file, _ in proofs),
        ),
        commands=(*probes, *(command for _, command in proofs)),
        inputs=("inputs", "data", DATA_PROOF, "adapter", HASHES, "export"),
        outputs=(EXPORT_PROOF,),
        gate=True,
        at_once=min(2, len(probes)),
    )


def _merge_probe(job: Job, out: str) -> Command:
    words = ("--base", "inputs/base", "--adapter", job.adapter, "--export", "export")
    more = ("--method", job.recipe.train.method, "--settings", "train.yaml", "--out", out)
    argv = ("{train}/bin/python", "{probes}/merge_check.py", *words, *more)
    return Command(argv=argv, runtime=Runtime.TRAIN)


def _stop_probe(out: str) -> Command:
    words = ("--model", "export", "--config", CONFIG, "--out", out)
    return Command(argv=("{serve}/bin/python", "{probes}/stop_ids.py", *words), runtime=Runtime.SERVE)
