"""fetch: the base model, and data sets that live on a hub, into plain folders linked at inputs/."""

from __future__ import annotations

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.base import task


def stage(job: Job) -> Stage:
    """Everything that needs a network; the engines run offline afterwards."""
    model = job.recipe.model
    remote = [
        {
            "name": entry.name,
            "repo": entry.hub_id,
            "file": entry.hub_file,
            "revision": entry.hub_revision,
            "hub": entry.hub,
        }
        | ({} if entry.hub_file else {"split": entry.hub_split})
        for entry in job.all_datasets
        if entry.hub_id
    ]
    settings = {
        "base": job.base_folder or model.base,
        "revision": model.revision,
        "hub": "local" if job.base_folder else model.hub,
        "datasets": remote,
        "hardware": job.hardware,
    }
    if model.tokenizer == "corrected":
        settings["tokenizer"] = model.tokenizer
    file, command = task("fetch", settings, secrets=("HF_TOKEN", "MODELSCOPE_API_TOKEN"))
    # A folder that the user changes is another base, although its path is the same.
    depends = {"base": job.base_state} if job.base_folder else {}
    return Stage(name="fetch", files=(file,), commands=(command,), outputs=("inputs",), depends=depends)
