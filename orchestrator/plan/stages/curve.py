"""curve: the verdict on the loss curve and the kind's own metrics, and advice; curve.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import CURVE, task

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveSettings:
    """Settings of the task `read_curve`.

    Attributes:
        log, state: trainer_log.jsonl, trainer_state.json.
        kind: train.kind.
        plateau: the share of the steps without progress after which training ends; 0 for never.
        out: curve.json.
    """

    log: str
    plateau: float
    out: str
    state: str = ""
    kind: str = "sft"


def stage(job: Job) -> Stage:
    """A fold over the trainer's log."""
    log, plateau = "adapter/trainer_log.jsonl", job.recipe.train.plateau
    settings = CurveSettings(
        log=log,
        state="adapter/trainer_state.json",
        kind=job.recipe.train.kind,
        plateau=plateau,
        out=partial(CURVE),
    )
    file, command = task("read_curve", settings)
    return Stage(name="curve", files=(file,), commands=(command,), inputs=("adapter",), outputs=(CURVE,))
