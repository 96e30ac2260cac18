"""lock: the hash of all that the model was just trained from, so that nothing else is served in its name."""

from __future__ import annotations

from typing import Any

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import HASHES, task, template_file


def stage(job: Job) -> Stage:
    """Recorded when training ends; prove_export and `conch prove` hash the same files again."""
    file, command = task("record_hashes", hashed_paths(job) | {"out": partial(HASHES)})
    return Stage(
        name="hashes",
        files=(template_file(job), file),
        commands=(command,),
        inputs=("inputs", "adapter"),
        outputs=(HASHES,),
    )


def hashed_paths(job: Job) -> dict[str, Any]:
    """What is hashed: base, adapter, template, settings, data; and the environments by name."""
    return {
        "base": "inputs/base",
        "manifest": "inputs/base.json",
        "adapter": "adapter",
        "chat_template": "chat_template.jinja",
        "train_yaml": "train.yaml",
        "data": [f"data/{name}.jsonl" for name in (*job.names_of("train"), *job.names_of("validation"))],
        "environments": dict(job.lockfiles),
    }
