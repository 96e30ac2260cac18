"""ask: send the recipe's questions to the served model, and write every answer for other stages to judge."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.backends.engines import config_file, export_service
from orchestrator.checks.base import Case, DatasetCase
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import ANSWERS, BASE_ANSWERS, asks_rows, task
from orchestrator.plan.stages.prove_data import template_file


@dataclass(frozen=True, slots=True, kw_only=True)
class AskSettings:
    """Settings of the task `ask`.

    Attributes:
        cases: the questions, with the checks under `every` on top of what each expects.
        paraphrases: questions with only the checks that each expects.
        max_tokens, temperature: of an answer.
        repeats: how often each case is asked.
        concurrency: requests in flight.
        out: the file of answers.
    """

    cases: tuple[Case | DatasetCase, ...]
    max_tokens: int
    temperature: float
    out: str
    paraphrases: tuple[Case, ...] = ()
    every: tuple[str, ...] = ()
    repeats: int = 1
    concurrency: int = 4


def stage(job: Job) -> Stage:
    """The export answers; its server imports its libraries while the export is written."""
    file, command = task("ask", settings(job))
    return Stage(
        name="ask",
        files=(config_file(job), template_file(job), file),
        commands=(command,),
        inputs=("export", "data") if asks_rows(job) else ("export",),
        outputs=(ANSWERS,),
        service=export_service(job),
    )


def settings(job: Job) -> AskSettings:
    """What the tuned model is asked."""
    verify = job.recipe.verify
    return AskSettings(
        cases=job.cases,
        paraphrases=job.paraphrases,
        every=tuple(verify.every),
        max_tokens=verify.max_tokens,
        temperature=verify.temperature,
        repeats=verify.repeats,
        concurrency=verify.concurrency,
        out=partial(ANSWERS),
    )


def base_settings(job: Job) -> AskSettings:
    """What the base is asked: only what it can fail. Paraphrases and general checks would only cost time."""
    return replace(settings(job), paraphrases=(), every=(), out=partial(BASE_ANSWERS))
