"""evaluate_base: the base model's answers to the same questions, scored in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.questions import BASE, evaluate_stage

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """Before training; the base is served in the same way as the tuned model later."""
    return evaluate_stage(job, "evaluate_base", BASE)
