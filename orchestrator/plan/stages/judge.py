"""judge: answers become verdicts, without asking anything again."""

from __future__ import annotations

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import ANSWERS, BASE_ANSWERS, VERDICTS, asks_rows, task
from orchestrator.plan.stages.evaluate import BASE, TUNED
from orchestrator.plan.stages.general import answers_of


def stage(job: Job) -> Stage:
    """Every check over every case: of the tuned model, and of the base where it was asked."""
    verify = job.recipe.verify
    settings = {
        "cases": [dict(case) for case in job.cases],
        "paraphrases": [dict(case) for case in job.paraphrases],
        "every": list(verify.every),
        "answers": ANSWERS,
        "base_answers": BASE_ANSWERS if verify.base else "",
        "out": partial(VERDICTS),
    }
    if verify.repeats > 1:
        settings |= {"repeats": verify.repeats, "pass_rate": verify.pass_rate}
    general = {TUNED: answers_of(TUNED), BASE: answers_of(BASE)} if job.asks_general else {}
    if general:
        settings |= {"general": general}
    if job.recipe.target.checks is not None:
        settings |= {"decides": False}
    file, command = task("judge", settings)
    asked = ((ANSWERS, BASE_ANSWERS) if verify.base else (ANSWERS,)) + tuple(general.values())
    inputs = (*asked, "data") if asks_rows(job) else asked
    return Stage(name="judge", files=(file,), commands=(command,), inputs=inputs, outputs=(VERDICTS,))
