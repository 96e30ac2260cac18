"""prepare: every data set as LLaMA-Factory reads it, audited, and the conversations of the proofs."""

from __future__ import annotations

from orchestrator.job import Job
from orchestrator.stage import Stage
from orchestrator.stages.base import task

# Enough shapes (1–4 turns, languages, thoughts, system or none) that a template which is wrong anywhere
# is caught, and few enough to cost a second.
GENERATED = 60


def stage(job: Job) -> Stage:
    """Convert and audit; a row that LLaMA-Factory would drop or train wrongly stops here."""
    datasets = [
        {
            "name": entry.name,
            "adapter": entry.adapter,
            "path": f"inputs/data/{entry.name}" if entry.hub_id else f"{{project}}/{entry.path}",
            "columns": dict(entry.columns),
        }
        for entry in job.datasets
    ]
    settings = {
        "datasets": datasets,
        "max_samples": job.recipe.data.max_samples,
        "generated": {"seed": 7, "count": GENERATED, "thoughts": job.recipe.template.thinking != "off"},
    }
    file, command = task("prepare", settings)
    return Stage(
        name="prepare",
        files=(file,),
        commands=(command,),
        inputs=("inputs",) if any(entry.hub_id for entry in job.datasets) else (),
        outputs=("data",),
        depends={entry.name: entry.sha256 for entry in job.datasets},
    )
