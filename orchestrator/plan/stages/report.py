"""report: the results of a run as a page, a model card and JSON, with how to serve and call the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import (
    CERTIFICATE,
    CURVE,
    DATA_PROOF,
    EXPORT_PROOF,
    SERVED_PROOF,
    TARGET,
    VERDICTS,
    task,
)

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

REPORT, CARD = "report", "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSettings:
    """Settings of the task `write_report`.

    Attributes:
        recipe, model: the recipe's name and the served model name.
        stand_in: whether the base is the embedded demo model.
        out: the folder to write. card: the model card to write.
        language: "zh", "en", or "" for the language of most questions.
    """

    recipe: str
    model: str
    stand_in: bool
    out: str
    card: str
    language: str = ""


def stage(job: Job) -> Stage:
    """A fold over the files that the other stages left."""
    settings = ReportSettings(
        recipe=job.recipe.name,
        model=job.recipe.served_model,
        stand_in=job.stand_in,
        out=partial(REPORT),
        card=partial(CARD),
    )
    aims = (TARGET,) if job.recipe.target.given else ()
    file, command = task("write_report", settings)
    return Stage(
        name="report",
        files=(file,),
        commands=(command,),
        inputs=(VERDICTS, *aims, CERTIFICATE, CURVE, DATA_PROOF, EXPORT_PROOF, SERVED_PROOF, "adapter"),
        outputs=(REPORT, CARD),
    )
