"""What the tuned model and the base model are asked: the settings and stages of ask, evaluate and general."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.backends import llamafactory
from orchestrator.backends.engines import base_service, engine_behind, export_service
from orchestrator.checks.base import Case, DatasetCase
from orchestrator.evaluation import general
from orchestrator.plan.stage import Command, RenderedFile, Service, Stage, partial
from orchestrator.plan.stages.base import (
    ANSWERS,
    BASE_ANSWERS,
    CONVERSATIONS,
    asks_rows,
    served_files,
    task,
)

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

TUNED, BASE = "tuned", "base"
# Of a general question, whose answer is a word or a number in a sentence.
MAX_TOKENS = 64
CONCURRENCY = 16


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
        export: the served model; if it samples by default, the cases are asked once more without any
            sampling value, `sampled_repeats` times. "" for never.
    """

    cases: tuple[Case | DatasetCase, ...]
    max_tokens: int
    temperature: float
    out: str
    export: str = ""
    sampled_repeats: int = 5
    paraphrases: tuple[Case, ...] = ()
    every: tuple[str, ...] = ()
    repeats: int = 1
    concurrency: int = 4


def ask_stage(job: Job, name: str, system: str) -> Stage:
    """The stage that asks one model the recipe's questions."""
    tuned = system == TUNED
    file, command = task("ask" if tuned else "ask-base", settings(job) if tuned else base_settings(job))
    inputs = _inputs(system)
    return Stage(
        name=name,
        files=(*served_files(job), file),
        commands=(command,),
        inputs=(*inputs, "data") if asks_rows(job) else inputs,
        outputs=(ANSWERS if tuned else BASE_ANSWERS,),
        service=_service(job, system),
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
        export="export",
        sampled_repeats=verify.sampled_repeats,
    )


def base_settings(job: Job) -> AskSettings:
    """What the base is asked: only what it can fail. Paraphrases and general checks would only cost time."""
    return replace(settings(job), paraphrases=(), every=(), out=partial(BASE_ANSWERS), export="")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSettings:
    """Settings of the task `evaluate`.

    Attributes:
        system, split, datasets, limit, max_tokens, temperature, concurrency, thinking: as of Evaluation.
        data: conversations.jsonl. out: the folder of predictions and scores.
        model: the served model name, if it is not the service's own.
        unscored: why the references are not scored; "" to score them.
    """

    system: str
    split: str
    datasets: tuple[str, ...]
    limit: int
    max_tokens: int
    temperature: float
    concurrency: int
    thinking: bool | None
    data: str
    out: str
    model: str = ""
    unscored: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Which rows are asked, and how; the same for every model.

    Attributes:
        split: its name; datasets: the prepared datasets that make it up.
        limit: maximum samples. max_tokens, temperature: of an answer. concurrency: parallel requests.
        thinking: LLaMA-Factory's enable_thinking: True, False, or None for mixed.
    """

    split: str
    datasets: Sequence[str]
    limit: int
    max_tokens: int
    temperature: float
    concurrency: int
    thinking: bool | None

    @classmethod
    def of(cls, job: Job) -> Evaluation:
        """The recipe's section `evaluate`."""
        chosen = job.recipe.evaluate
        return cls(
            split=chosen.split,
            datasets=() if chosen.split == "none" else job.names_of(chosen.split),
            limit=chosen.limit,
            max_tokens=chosen.max_tokens or job.recipe.verify.max_tokens,
            temperature=chosen.temperature,
            concurrency=chosen.concurrency,
            thinking=llamafactory.THINKING[job.recipe.template.thinking],
        )

    def output(self, system: str) -> str:
        """The folder of one model's answers and numbers."""
        return f"eval/{self.split}-{system}"

    def stage(
        self,
        name: str,
        system: str,
        *,
        files: Sequence[RenderedFile],
        inputs: Sequence[str],
        service: Service | None,
        model: str = "",
    ) -> Stage:
        """The stage that asks one model and scores it.

        Args:
            name: of the stage.
            system: of the model.
            files: that its server reads.
            inputs: that its server serves.
            service: its server; None for one that is already running.
            model: the served name of an adapter on the base, "" for the service's own model.
        """
        settings = EvaluateSettings(
            system=system,
            split=self.split,
            datasets=tuple(self.datasets),
            limit=self.limit,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            concurrency=self.concurrency,
            thinking=self.thinking,
            data=CONVERSATIONS,
            model=model,
            unscored=unscored(service, unmerged=bool(model)),
            out=partial(self.output(system)),
        )
        file, command = task(f"evaluate-{system}", settings)
        return Stage(
            name=name,
            files=(*files, file),
            commands=(command,),
            inputs=(*inputs, "data"),
            outputs=(self.output(system),),
            service=service,
        )


def unscored(service: Service | None, *, unmerged: bool) -> str:
    """Why a service cannot score the references; "" if it can, or if another server answers."""
    if service is None:
        return ""
    limitations = engine_behind(service).limitations
    return limitations.prompt_logprobs or (limitations.adapter_logprobs if unmerged else "")


def evaluate_stage(job: Job, name: str, system: str) -> Stage:
    """The stage that scores one model on the recipe's split."""
    files, inputs, service = served_files(job), _inputs(system), _service(job, system)
    return Evaluation.of(job).stage(name, system, files=files, inputs=inputs, service=service)


def answers_of(system: str) -> str:
    """The file of a model's answers to the general questions."""
    return f"general/{system}.jsonl"


def general_task(system: str) -> tuple[RenderedFile, Command]:
    """The general questions to a model, with greedy decoding."""
    settings = AskSettings(
        cases=general.cases(),
        max_tokens=MAX_TOKENS,
        temperature=0,
        concurrency=CONCURRENCY,
        out=partial(answers_of(system)),
    )
    return task(f"ask-general-{system}", settings)


def general_beside(evaluation: Stage) -> Stage:
    """The general questions to the server of an evaluation outside a plan, the stage "eval-SYSTEM"."""
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


def general_stage(job: Job, name: str, system: str) -> Stage:
    """The stage that asks one model the general questions."""
    file, command = general_task(system)
    return Stage(
        name=name,
        files=(*served_files(job), file),
        commands=(command,),
        inputs=_inputs(system),
        outputs=(answers_of(system),),
        service=_service(job, system),
    )


def _inputs(system: str) -> tuple[str, ...]:
    """The folder that the model's server serves."""
    return ("export",) if system == TUNED else ("inputs",)


def _service(job: Job, system: str) -> Service:
    """The model's server; stages of the same model share it."""
    return export_service(job) if system == TUNED else base_service(job)
