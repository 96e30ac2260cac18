"""general: general knowledge questions to the tuned model, to see what was forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.questions import TUNED, general_stage

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """Uses the server of `ask`, which keeps running."""
    return general_stage(job, "general", TUNED)
