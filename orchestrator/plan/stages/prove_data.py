"""prove_data: before a step is trained, the tokens of training against the tokens of serving."""

from __future__ import annotations

from orchestrator.backends import llamafactory
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Command, RenderedFile, Runtime, Stage, partial
from orchestrator.plan.stages.base import CONVERSATIONS, DATA_PROOF, task, template_file


def stage(job: Job) -> Stage:
    """Ids from LLaMA-Factory's own pipeline, ids from vLLM's own renderer, and their comparison."""
    made = partial(DATA_PROOF)
    training, serving = f"{made}/training_ids.jsonl", f"{made}/serving_ids.jsonl"
    names = ",".join([*job.prepared, "conch_generated", "conch_held_out"])
    train_probe = Command(
        argv=(
            "{train}/bin/python",
            "{probes}/training_ids.py",
            "train.yaml",
            "--datasets",
            names,
            "--out",
            training,
        ),
        place=Runtime.TRAIN,
    )
    ids = {"training_ids": training, "serving_ids": serving, "accept_mismatch": job.accept_mismatch}
    prepared = {"prepare": "data/prepare.json", "conversations": CONVERSATIONS}
    limit = {"limit": job.recipe.data.max_truncated_fraction}
    proofs = (
        task("prove_rows-data", ids | prepared | {"out": f"{made}/rows.json"}),
        task("prove_tokenizer-data", ids | {"out": f"{made}/tokenizer.json"}),
        task("compare-data", ids | {"name": "data", "out": f"{made}/parity.json"}),
        task("prove_truncation-data", ids | prepared | limit | {"out": f"{made}/truncation.json"}),
    )
    return Stage(
        name="prove_data",
        files=(
            RenderedFile("train.yaml", llamafactory.train_yaml(job)),
            template_file(job),
            *(file for file, _ in proofs),
        ),
        commands=(
            train_probe,
            serving_probe(job, "inputs/base", serving),
            *(command for _, command in proofs),
        ),
        inputs=("inputs", "data"),
        outputs=(DATA_PROOF,),
        gate=True,
        at_once=2,
    )


def serving_probe(job: Job, model: str, out: str) -> Command:
    """VLLM's own renderer over the conversations, with the tokenizer of a model folder."""
    return Command(
        argv=(
            "{serve}/bin/python",
            "{probes}/serving_ids.py",
            "--model",
            model,
            "--chat-template",
            "chat_template.jinja",
            "--thinking",
            job.template.thinking,
            "--conversations",
            CONVERSATIONS,
            "--out",
            out,
        ),
        place=Runtime.SERVE,
    )
