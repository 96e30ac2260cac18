"""general: questions of general knowledge put to the tuned model, to see what was forgotten."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.backends.engines import export_service
from orchestrator.evaluation import general
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Command, RenderedFile, Stage, partial
from orchestrator.plan.stages.ask import AskSettings
from orchestrator.plan.stages.base import task
from orchestrator.plan.stages.evaluate import TUNED, served_files

# Long enough for a sentence: what is looked for is a word or a number.
MAX_TOKENS = 64
CONCURRENCY = 16


def answers_of(system: str) -> str:
    """Where a model's answers lie."""
    return f"general/{system}.jsonl"


def general_task(system: str) -> tuple[RenderedFile, Command]:
    """The questions to a model, greedily."""
    settings = AskSettings(
        cases=general.cases(),
        max_tokens=MAX_TOKENS,
        temperature=0,
        concurrency=CONCURRENCY,
        out=partial(answers_of(system)),
    )
    return task(f"ask-general-{system}", settings)


def beside(evaluation: Stage) -> Stage:
    """The same questions to the server of an evaluation outside a run's plan, "eval-SYSTEM"."""
    system = evaluation.name.partition("-")[2]
    file, command = general_task(system)
    return replace(
        evaluation,
        name=f"general-{system}",
        commands=(command,),
        files=(*evaluation.rendered, file),
        inputs=tuple(name for name in evaluation.inputs if name != "data"),
        outputs=(answers_of(system),),
    )


def stage(job: Job) -> Stage:
    """The server of `ask`, which stays up for it."""
    file, command = general_task(TUNED)
    return Stage(
        name="general",
        files=(*served_files(job), file),
        commands=(command,),
        inputs=("export",),
        outputs=(answers_of(TUNED),),
        service=export_service(job),
    )
