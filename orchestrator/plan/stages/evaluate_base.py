"""evaluate_base: the untouched base's answers to the same questions, scored in the same way."""

from __future__ import annotations

from orchestrator.backends.engines import base_service
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.evaluate import BASE, Evaluation, served_files


def stage(job: Job) -> Stage:
    """Before training, by the server of `ask_base`."""
    return Evaluation.of(job).stage(
        "evaluate_base",
        BASE,
        files=served_files(job),
        inputs=("inputs",),
        service=base_service(job),
    )
