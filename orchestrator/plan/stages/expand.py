"""expand: the base model with new blocks, which alone are trained (LLaMA Pro)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.plan.stage import Command, Runtime, Stage, partial
from orchestrator.plan.stages.base import EXPANDED

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """A copy of each block that ends a group, whose output is zero until it is trained."""
    words = ("--base", "inputs/base", "--blocks", str(job.recipe.train.llama_pro), "--out", partial(EXPANDED))
    return Stage(
        name="expand",
        commands=(Command(("{train}/bin/python", "{probes}/expand_blocks.py", *words), Runtime.TRAIN),),
        inputs=("inputs",),
        outputs=(EXPANDED,),
    )
