"""ask: send the recipe's questions to the tuned model, and write every answer for other stages to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.questions import TUNED, ask_stage

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """The export's server imports its libraries while the export is written."""
    return ask_stage(job, "ask", TUNED)
