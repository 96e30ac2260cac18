"""ask_base: send the recipe's questions to the base model before training, for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.questions import BASE, ask_stage

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """Before training; the base is served in the same way as the tuned model later."""
    return ask_stage(job, "ask_base", BASE)
