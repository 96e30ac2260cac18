"""prepare: every data set as LLaMA-Factory reads it, audited, and the conversations of the proofs."""

from __future__ import annotations

from orchestrator.job import Job
from orchestrator.stage import Stage
from orchestrator.stages.base import task

# Shapes (1–4 turns, languages, thoughts, odd texts, system or none) in such number that a template which is
# wrong anywhere is caught; they cost a second.
GENERATED = 500


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
        "held_out": [
            f"{{project}}/{entry.paraphrases_path}" for entry in job.datasets if entry.paraphrases_path
        ],
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
