"""train: `llamafactory-cli train`, followed through its trainer_log.jsonl; resumes after an interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.backends import llamafactory
from orchestrator.evaluation.trainer_metrics import WATCHED
from orchestrator.plan.stage import RenderedFile, Stage, partial
from orchestrator.plan.stages.base import EXPANDED

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


def stage(job: Job) -> Stage:
    """One training; its folder holds the adapter, the loss curve and the trainer's own log."""
    names = (*job.names_of("train"), *job.names_of("validation"))
    data = ("data/dataset_info.json", "data/prepare.json", *(f"data/{name}.jsonl" for name in names))
    # The probes of the data read train.yaml before there is an expanded base, whose tokenizer is the same.
    expanded = (f"model_name_or_path={EXPANDED}",) if job.recipe.train.llama_pro else ()
    return Stage(
        name="train",
        files=(RenderedFile("train.yaml", llamafactory.train_yaml(job)),),
        commands=(llamafactory.train_command(job, "train.yaml", *expanded),),
        inputs=("inputs", *data, *((EXPANDED,) if expanded else ())),
        outputs=("adapter",),
        progress=f"{partial('adapter')}/trainer_log.jsonl",
        resumes="adapter" if job.checkpoint_steps else "",
        # transformers waits 3 s, finishes the current step and saves; torchrun gives its ranks 30 s.
        grace=60.0,
        stall_timeout=job.recipe.train.stall_timeout,
        plateau=job.recipe.train.plateau,
        plateau_by=job.recipe.train.kind if job.recipe.train.kind in WATCHED else "",
        may_end_early=job.recipe.train.early_stopping is not None,
        repacks_rows=llamafactory.repacks_rows(job),
    )
