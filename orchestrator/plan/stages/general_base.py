"""general_base: the same general knowledge questions to the base model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.questions import BASE, general_stage

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """Before training; the base is served in the same way as the tuned model later."""
    return general_stage(job, "general_base", BASE)
