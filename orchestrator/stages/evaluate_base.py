"""evaluate_base: the untouched base's answers to the same questions, scored in the same way."""

from __future__ import annotations

from orchestrator.dialects import vllm
from orchestrator.job import Job
from orchestrator.stage import RenderedFile, Stage
from orchestrator.stages.evaluate import BASE, Evaluation
from orchestrator.stages.prove_data import template_file


def stage(job: Job) -> Stage:
    """Before training, by the server of `ask_base`."""
    wanted = Evaluation.of(job)
    file, command = wanted.task(BASE)
    return Stage(
        name="evaluate_base",
        files=(RenderedFile("vllm.yaml", vllm.vllm_yaml(job)), template_file(job), file),
        commands=(command,),
        inputs=("inputs", "data"),
        outputs=(wanted.output(BASE),),
        service=vllm.service(job, name="vllm-base", folder="inputs/base", warm_during="prove_data"),
    )
