"""prove_served: the running server's own tokens and losses against those of training."""

from __future__ import annotations

from orchestrator.backends import vllm
from orchestrator.plan.job import Job
from orchestrator.plan.stage import RenderedFile, Stage, partial
from orchestrator.plan.stages.base import CONVERSATIONS, DATA_PROOF, SCORES, SERVED_PROOF, task
from orchestrator.plan.stages.prove_data import template_file

# Rows of each kind that the server is asked about: it takes seconds, and a fault shows in the first of them.
ROWS = 12


def stage(job: Job) -> Stage:
    """What clients send and how the weights answer; a "no" does not keep the questions from being asked."""
    made = partial(SERVED_PROOF)
    shared = {
        "training_ids": f"{DATA_PROOF}/training_ids.jsonl",
        "conversations": CONVERSATIONS,
        "thinking": job.recipe.template.thinking,
        "accept_mismatch": job.accept_mismatch,
    }
    scores = {"trainer": f"{SCORES}/trainer_loss.jsonl"}
    proofs = (
        task(
            "prove_served",
            shared | {"prepared": "data/prepare.json", "rows": ROWS, "out": f"{made}/parity.json"},
        ),
        task("score_served", shared | scores | {"out": f"{made}/served_loss.jsonl"}),
        task(
            "prove_loss",
            shared
            | scores
            | {"prepare": "data/prepare.json"}
            | {"served": f"{made}/served_loss.jsonl", "dtype": job.dtype, "out": f"{made}/loss.json"},
        ),
    )
    return Stage(
        name="prove_served",
        files=(
            RenderedFile("vllm.yaml", vllm.vllm_yaml(job)),
            template_file(job),
            *(file for file, _ in proofs),
        ),
        commands=tuple(command for _, command in proofs),
        inputs=("export", "data", DATA_PROOF, SCORES),
        outputs=(SERVED_PROOF,),
        service=vllm.service(job, name="vllm", folder="export", warm_during="export"),
    )
