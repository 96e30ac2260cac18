"""export: `llamafactory-cli export`, then a check of the result before it is renamed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.backends import llamafactory
from orchestrator.plan.stage import RenderedFile, Stage, partial
from orchestrator.plan.stages.base import task, template_file

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckExportSettings:
    """Settings of the task `check_export`.

    Attributes:
        export, base, chat_template: run-relative paths.
        stand_in: whether the base is the embedded one.
        scores: whether it is a reward model, which becomes a sequence classification model.
        sampling: what the recipe sets of serve.sampling; always written, so that no export of an earlier
            version, made without it, is reused.
    """

    export: str
    base: str
    chat_template: str
    stand_in: bool
    sampling: Mapping[str, float]
    scores: bool = False


def stage(job: Job) -> Stage:
    """The adapter merged into the base; complete safetensors, with the proven chat template inside."""
    settings = CheckExportSettings(
        export=partial("export"),
        base="inputs/base",
        chat_template="chat_template.jinja",
        stand_in=job.stand_in,
        sampling=job.recipe.serve.sampling.given,
        scores=job.kind.scores,
    )
    file, check = task("check_export", settings)
    return Stage(
        name="export",
        files=(RenderedFile("export.yaml", llamafactory.export_yaml(job)), template_file(job), file),
        commands=(llamafactory.command("export", "export.yaml"), check),
        inputs=("inputs", "adapter"),
        outputs=("export",),
    )
