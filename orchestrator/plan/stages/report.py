"""report: what happened in this run, as a page, a model card and JSON, with how to serve and call it."""

from __future__ import annotations

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import (
    CERTIFICATE,
    CURVE,
    DATA_PROOF,
    EXPORT_PROOF,
    SERVED_PROOF,
    TARGET,
    VERDICTS,
    task,
)

REPORT, CARD = "report", "README.md"


def stage(job: Job) -> Stage:
    """A fold over the files that the other stages left."""
    settings = {
        "recipe": job.recipe.name,
        "model": job.recipe.served_model,
        "stand_in": job.stand_in,
        "out": partial(REPORT),
        "card": partial(CARD),
    }
    aims = (TARGET,) if job.recipe.target.given else ()
    file, command = task("write_report", settings)
    return Stage(
        name="report",
        files=(file,),
        commands=(command,),
        inputs=(VERDICTS, *aims, CERTIFICATE, CURVE, DATA_PROOF, EXPORT_PROOF, SERVED_PROOF, "adapter"),
        outputs=(REPORT, CARD),
    )
