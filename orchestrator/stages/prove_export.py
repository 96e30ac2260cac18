"""prove_export: the tokens of training against those that the exported model's own tokenizer gives."""

from __future__ import annotations

from orchestrator.job import Job
from orchestrator.stage import Stage, partial
from orchestrator.stages.base import DATA_PROOF, EXPORT_PROOF, task
from orchestrator.stages.prove_data import serving_probe, template_file


def stage(job: Job) -> Stage:
    """An export rewrites the tokenizer's files, so what held for the base is proven again for it."""
    made = partial(EXPORT_PROOF)
    serving = f"{made}/serving_ids.jsonl"
    settings = {
        "name": "export",
        "training_ids": f"{DATA_PROOF}/training_ids.jsonl",
        "serving_ids": serving,
        "out": f"{made}/parity.json",
        "accept_mismatch": job.accept_mismatch,
    }
    file, compare = task("compare-export", settings)
    return Stage(
        name="prove_export",
        files=(template_file(job), file),
        commands=(serving_probe(job, "export", serving), compare),
        inputs=("data", DATA_PROOF, "export"),
        outputs=(EXPORT_PROOF,),
        gate=True,
    )
