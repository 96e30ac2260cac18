"""prove_export: the export's weights, tokens and stops, and what changed since training; no server needed."""

from __future__ import annotations

from orchestrator.backends.engines import CONFIG, config_file
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Command, Runtime, Stage, partial
from orchestrator.plan.stages.base import DATA_PROOF, EXPORT_PROOF, HASHES, task, template_file
from orchestrator.plan.stages.hashes import hashed_paths
from orchestrator.plan.stages.prove_data import serving_probe


def stage(job: Job) -> Stage:
    """An export rewrites weights and tokenizer, so what held for the base is proven again for it."""
    made = partial(EXPORT_PROOF)
    training, serving = f"{DATA_PROOF}/training_ids.jsonl", f"{made}/serving_ids.jsonl"
    accept = {"accept_mismatch": job.accept_mismatch}
    stops = {"stop_ids": f"{made}/stop_ids.json", "base": "inputs/base", "prepare": "data/prepare.json"}
    lock = {**hashed_paths(job), "hashes": HASHES, "export": "export"}
    proofs = (
        task("prove_hashes-export", accept | lock | {"out": f"{made}/hashes.json"}),
        task(
            "prove_merge-export", accept | {"facts": f"{made}/merge_facts.json", "out": f"{made}/merge.json"}
        ),
        task("prove_stop-export", accept | stops | {"training_ids": training, "out": f"{made}/stop.json"}),
        task(
            "compare-export",
            accept
            | {"name": "export", "training_ids": training, "serving_ids": serving}
            | {"out": f"{made}/parity.json"},
        ),
    )
    return Stage(
        name="prove_export",
        files=(
            template_file(job),
            config_file(job),
            *(file for file, _ in proofs),
        ),
        commands=(
            _merge_probe(job, f"{made}/merge_facts.json"),
            serving_probe(job, "export", serving),
            _stop_probe(f"{made}/stop_ids.json"),
            *(command for _, command in proofs),
        ),
        inputs=("inputs", "data", DATA_PROOF, "adapter", HASHES, "export"),
        outputs=(EXPORT_PROOF,),
        gate=True,
        at_once=2,
    )


def _merge_probe(job: Job, out: str) -> Command:
    words = ("--base", "inputs/base", "--adapter", "adapter", "--export", "export")
    return Command(
        argv=(
            "{train}/bin/python",
            "{probes}/merge_check.py",
            *words,
            "--method",
            job.recipe.train.method,
            "--out",
            out,
        ),
        place=Runtime.TRAIN,
    )


def _stop_probe(out: str) -> Command:
    words = ("--model", "export", "--config", CONFIG, "--out", out)
    return Command(argv=("{serve}/bin/python", "{probes}/stop_ids.py", *words), place=Runtime.SERVE)
