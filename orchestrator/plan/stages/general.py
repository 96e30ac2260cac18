"""general: general knowledge questions to the tuned model, to see what was forgotten."""

from __future__ import annotations

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.questions import TUNED, general_stage


def stage(job: Job) -> Stage:
    """Uses the server of `ask`, which keeps running."""
    return general_stage(job, "general", TUNED)
