"""ask: the one stage that talks to the served model; leaves every answer for others to judge."""

from __future__ import annotations

from typing import Any

from orchestrator.backends import vllm
from orchestrator.plan.job import Job
from orchestrator.plan.stage import RenderedFile, Stage, partial
from orchestrator.plan.stages.base import ANSWERS, asks_rows, task
from orchestrator.plan.stages.prove_data import template_file
from orchestrator.recipe import Verify


def stage(job: Job) -> Stage:
    """VLLM serves the export; its imports are made while the export is written."""
    file, command = task("ask", questions(job, ANSWERS))
    return Stage(
        name="ask",
        files=(RenderedFile("vllm.yaml", vllm.vllm_yaml(job)), template_file(job), file),
        commands=(command,),
        inputs=("export", "data") if asks_rows(job) else ("export",),
        outputs=(ANSWERS,),
        service=vllm.service(job, name="vllm", folder="export", warm_during="export"),
    )


def questions(job: Job, out: str) -> dict[str, Any]:
    """The settings of the ask task."""
    verify = job.recipe.verify
    return {
        "cases": [dict(case) for case in job.cases],
        "paraphrases": [dict(case) for case in job.paraphrases],
        "every": list(verify.every),
        "max_tokens": verify.max_tokens,
        "temperature": verify.temperature,
        "out": partial(out),
        **({"repeats": verify.repeats} if verify.repeats > 1 else {}),
        **({"concurrency": verify.concurrency} if verify.concurrency != Verify().concurrency else {}),
    }
