"""ask_base: the recipe's questions put to the untouched base, so that before and after can be compared."""

from __future__ import annotations

from orchestrator.backends.engines import base_service, config_file
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.ask import base_settings
from orchestrator.plan.stages.base import BASE_ANSWERS, asks_rows, task
from orchestrator.plan.stages.prove_data import template_file


def stage(job: Job) -> Stage:
    """Before training: the base is served the same way as the tuned model will be."""
    file, command = task("ask-base", base_settings(job))
    return Stage(
        name="ask_base",
        files=(config_file(job), template_file(job), file),
        commands=(command,),
        inputs=("inputs", "data") if asks_rows(job) else ("inputs",),
        outputs=(BASE_ANSWERS,),
        service=base_service(job),
    )
