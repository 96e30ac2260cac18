"""target: what the recipe aims at against what was reached; "no" when any of it falls short."""

from __future__ import annotations

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import TARGET, VERDICTS, task
from orchestrator.plan.stages.evaluate import TUNED, Evaluation


def stage(job: Job) -> Stage:
    """A fold over verdicts.json and the tuned model's numbers."""
    target = job.recipe.target
    numbers = Evaluation.of(job).output(TUNED) if target.metrics else ""
    settings = {
        "target": target.model_dump(),
        "verdicts": VERDICTS,
        "numbers": numbers,
        "out": partial(TARGET),
    }
    file, command = task("meet_target", settings)
    inputs = (VERDICTS, numbers) if numbers else (VERDICTS,)
    return Stage(name="target", files=(file,), commands=(command,), inputs=inputs, outputs=(TARGET,))
