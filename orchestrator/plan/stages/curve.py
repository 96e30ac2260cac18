"""curve: what the course of the losses shows, and what it advises; curve.json."""

from __future__ import annotations

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import CURVE, task


def stage(job: Job) -> Stage:
    """A fold over the trainer's log."""
    settings = {
        "log": "adapter/trainer_log.jsonl",
        "plateau": job.recipe.train.plateau,
        "out": partial(CURVE),
    }
    file, command = task("read_curve", settings)
    return Stage(name="curve", files=(file,), commands=(command,), inputs=("adapter",), outputs=(CURVE,))
