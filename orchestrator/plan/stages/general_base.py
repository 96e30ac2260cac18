"""general_base: the same questions of general knowledge put to the untouched base."""

from __future__ import annotations

from orchestrator.backends.engines import base_service
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.evaluate import BASE, served_files
from orchestrator.plan.stages.general import answers_of, general_task


def stage(job: Job) -> Stage:
    """Before training, by the server of `ask_base`."""
    file, command = general_task(BASE)
    return Stage(
        name="general_base",
        files=(*served_files(job), file),
        commands=(command,),
        inputs=("inputs",),
        outputs=(answers_of(BASE),),
        service=base_service(job),
    )
