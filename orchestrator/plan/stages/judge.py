"""judge: answers become verdicts, without asking anything again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.checks.base import Case, DatasetCase
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import ANSWERS, BASE_ANSWERS, VERDICTS, asks_rows, task
from orchestrator.plan.stages.questions import BASE, TUNED, answers_of

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """Settings of the task `judge`.

    Attributes:
        cases, paraphrases, every, repeats: as the task `ask` was given them.
        pass_rate: the share of the repeats that must pass.
        answers, base_answers: files of answers; "" where the base was not asked.
        general: system ("tuned", "base") → its answers to the general questions.
        export, sampled_repeats: as the task `ask` was given them.
        required: the share of the sampled answers that must pass.
        decides: whether a failed check is a "no".
        out: the file of verdicts.
    """

    cases: tuple[Case | DatasetCase, ...]
    answers: str
    out: str
    base_answers: str = ""
    paraphrases: tuple[Case, ...] = ()
    every: tuple[str, ...] = ()
    repeats: int = 1
    pass_rate: float = 1.0
    general: Mapping[str, str] = field(default_factory=dict)
    decides: bool = True
    export: str = ""
    sampled_repeats: int = 5
    required: float = 1.0


def stage(job: Job) -> Stage:
    """Every check over every case: of the tuned model, and of the base where it was asked."""
    verify = job.recipe.verify
    general = {TUNED: answers_of(TUNED), BASE: answers_of(BASE)} if job.asks_general else {}
    settings = JudgeSettings(
        cases=job.cases,
        paraphrases=job.paraphrases,
        every=tuple(verify.every),
        repeats=verify.repeats,
        pass_rate=verify.pass_rate if verify.repeats > 1 else 1.0,
        answers=ANSWERS,
        base_answers=BASE_ANSWERS if verify.base else "",
        general=general,
        decides=job.recipe.target.checks is None,
        export="export",
        sampled_repeats=verify.sampled_repeats,
        required=job.recipe.required_rate,
        out=partial(VERDICTS),
    )
    file, command = task("judge", settings)
    asked = ((ANSWERS, BASE_ANSWERS) if verify.base else (ANSWERS,)) + tuple(general.values())
    inputs = (*asked, "export", *(("data",) if asks_rows(job) else ()))
    return Stage(name="judge", files=(file,), commands=(command,), inputs=inputs, outputs=(VERDICTS,))
