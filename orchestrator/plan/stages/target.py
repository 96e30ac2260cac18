"""target: the recipe's thresholds against the results of the run; exit code 5 if one is missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import TARGET, VERDICTS, task
from orchestrator.plan.stages.questions import TUNED, Evaluation
from orchestrator.recipe import Target

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """Settings of the task `meet_target`.

    Attributes:
        target: the recipe's section.
        verdicts: the file of verdicts.
        numbers: the folder of the tuned model's eval.json, "" if the target has no metric.
        out: target.json.
    """

    target: Target
    verdicts: str
    numbers: str
    out: str


def stage(job: Job) -> Stage:
    """A fold over verdicts.json and the tuned model's numbers."""
    target = job.recipe.target
    numbers = Evaluation.of(job).output(TUNED) if target.metrics else ""
    settings = TargetSettings(target=target, verdicts=VERDICTS, numbers=numbers, out=partial(TARGET))
    file, command = task("meet_target", settings)
    inputs = (VERDICTS, numbers) if numbers else (VERDICTS,)
    return Stage(name="target", files=(file,), commands=(command,), inputs=inputs, outputs=(TARGET,))
