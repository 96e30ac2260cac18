"""prepare: every data set as LLaMA-Factory reads it, audited, and the conversations of the proofs."""

from __future__ import annotations

from typing import Any

from orchestrator.datasets.entry import DatasetEntry
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.base import task

# Shapes (1–4 turns, languages, thoughts, odd texts, system or none) in such number that a template which is
# wrong anywhere is caught; they cost a second.
GENERATED = 500


def stage(job: Job) -> Stage:
    """Convert and audit; a row that LLaMA-Factory would drop or train wrongly stops here."""
    data = job.recipe.data
    settings: dict[str, Any] = {
        "datasets": [
            # What is held apart comes first: whether it is trained as well is seen while the rest is read.
            *(_dataset(entry, "test") for entry in job.test),
            *(_dataset(entry, "validation") for entry in job.validation),
            *(_dataset(entry, "train") for entry in job.datasets),
        ],
        "max_samples": data.max_samples,
        "held_out": [
            f"{{project}}/{entry.paraphrases_path}" for entry in job.datasets if entry.paraphrases_path
        ],
        "generated": {"seed": 7, "count": GENERATED, "thoughts": job.recipe.template.thinking != "off"},
    }
    if data.parts:
        settings["split"] = {
            "weights": data.parts,
            "seed": data.split_seed,
            "stratify": data.stratify or "",
            "near_duplicates": data.near_duplicates,
        }
    file, command = task("prepare", settings)
    return Stage(
        name="prepare",
        files=(file,),
        commands=(command,),
        inputs=("inputs",) if any(entry.hub_id for entry in job.all_datasets) else (),
        outputs=("data",),
        depends={entry.name: entry.sha256 for entry in job.all_datasets},
    )


def _dataset(entry: DatasetEntry, part: str) -> dict[str, Any]:
    """A data set as the task reads it; `part` where it is not trained."""
    told = {
        "items": entry.items,
        "sheet": entry.sheet,
        "split": entry.split,
        "fix": entry.fix,
        "drop_bad": entry.drop_bad,
        "part": "" if part == "train" else part,
    }
    return {
        "name": entry.name,
        "format": entry.format,
        "path": f"inputs/data/{entry.name}" if entry.hub_id else f"{{project}}/{entry.path}",
        "columns": dict(entry.columns),
        **{key: value for key, value in told.items() if value},
    }
