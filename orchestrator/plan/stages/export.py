"""export: `llamafactory-cli export`, then a look at the result before it takes its name."""

from __future__ import annotations

from orchestrator.backends import llamafactory
from orchestrator.plan.job import Job
from orchestrator.plan.stage import RenderedFile, Stage, partial
from orchestrator.plan.stages.base import task
from orchestrator.plan.stages.prove_data import template_file


def stage(job: Job) -> Stage:
    """The adapter merged into the base; complete safetensors, with the proven chat template inside."""
    settings = {
        "export": partial("export"),
        "base": "inputs/base",
        "chat_template": "chat_template.jinja",
        "stand_in": job.stand_in,
    }
    file, check = task("check_export", settings)
    return Stage(
        name="export",
        files=(RenderedFile("export.yaml", llamafactory.export_yaml(job)), template_file(job), file),
        commands=(llamafactory.command("export", "export.yaml"), check),
        inputs=("inputs", "adapter"),
        outputs=("export",),
    )
