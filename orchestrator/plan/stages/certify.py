"""certify: every proof of a run and the hash of every file it speaks of, as proof.json beside the export."""

from __future__ import annotations

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import CERTIFICATE, DATA_PROOF, EXPORT_PROOF, SERVED_PROOF, task


def stage(job: Job) -> Stage:
    """A fold over the proofs that are there; what was not proven is said."""
    settings = {"recipe": job.recipe.name, "export": "export", "out": partial(CERTIFICATE)}
    file, command = task("certify", settings)
    return Stage(
        name="certify",
        files=(file,),
        commands=(command,),
        inputs=("export", "chat_template.jinja", DATA_PROOF, EXPORT_PROOF, SERVED_PROOF),
        outputs=(CERTIFICATE,),
    )
