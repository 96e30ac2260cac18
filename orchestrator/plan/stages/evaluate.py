"""evaluate: the tuned model's answers to a split's questions, scored against the data's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.questions import TUNED, evaluate_stage

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """Uses the server of `ask`, which keeps running."""
    return evaluate_stage(job, "evaluate", TUNED)
