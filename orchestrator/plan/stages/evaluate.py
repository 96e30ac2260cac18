"""evaluate: the tuned model's answers to a split's questions, scored against the answers of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.backends import llamafactory
from orchestrator.backends.engines import config_file, engine_behind, export_service
from orchestrator.plan.job import Job
from orchestrator.plan.stage import RenderedFile, Service, Stage, partial
from orchestrator.plan.stages.base import CONVERSATIONS, task
from orchestrator.plan.stages.prove_data import template_file

TUNED, BASE = "tuned", "base"


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
    """What is asked, whoever answers.

    Attributes:
        split: its name; datasets: the prepared data sets that make it up.
        limit: most samples. max_tokens, temperature: of an answer. concurrency: requests under way.
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
        """What a recipe says."""
        wanted = job.recipe.evaluate
        return cls(
            split=wanted.split,
            datasets=() if wanted.split == "none" else job.names_of(wanted.split),
            limit=wanted.limit,
            max_tokens=wanted.max_tokens or job.recipe.verify.max_tokens,
            temperature=wanted.temperature,
            concurrency=wanted.concurrency,
            thinking=llamafactory.template_settings(job)["enable_thinking"],
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
            name: the stage's.
            system: the model's.
            files: what its server reads.
            inputs: what its server serves.
            service: its server; None for one that is up.
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


def served_files(job: Job) -> tuple[RenderedFile, ...]:
    """What the server of either model reads."""
    return config_file(job), template_file(job)


def stage(job: Job) -> Stage:
    """The server of `ask`, which stays up for it."""
    return Evaluation.of(job).stage(
        "evaluate",
        TUNED,
        files=served_files(job),
        inputs=("export",),
        service=export_service(job),
    )
