"""fetch: the base model, and datasets that a hub has, into plain folders linked at inputs/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.hubs import token_variables
from orchestrator.plan.kinds import ppo
from orchestrator.plan.stage import Runtime, Stage
from orchestrator.plan.stages.base import task

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDataset:
    """A data file on a hub.

    Attributes:
        name: the dataset's.
        file: "" for the repository's only data file or, of several, the one named after the split.
    """

    name: str
    hub: str
    repo: str
    revision: str
    file: str
    split: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Settings of the fetch task.

    Attributes:
        base: a base name of one of hubs.HUBS.
        hub: the chosen hub; "local" when base is a folder, "recipe" when it is another recipe's export.
        hardware: selects the train environment, whose libraries may download.
        tokenizer: "corrected" for a base with a corrected tokenizer_config.json.
        sampling: what the recipe sets of serve.sampling.
        reward: whether the export of a reward model is linked, too.
        older: the folder for the models as transformers 4 reads them; "" for none.
        untied: refuse a base whose input and output embeddings are one tensor.
    """

    base: str
    hub: str
    revision: str | None
    hardware: str
    datasets: tuple[HubDataset, ...]
    tokenizer: str = "published"
    sampling: Mapping[str, float] = field(default_factory=dict)
    untied: bool = False
    reward: bool = False
    older: str = ""


def stage(job: Job) -> Stage:
    """Everything that needs a network; the engines run offline afterwards."""
    model = job.recipe.model
    datasets = tuple(
        HubDataset(
            name=entry.name,
            hub=entry.hub,
            repo=entry.hub_id,
            revision=entry.hub_revision,
            file=entry.hub_file,
            split="" if entry.hub_file else entry.hub_split,
        )
        for entry in job.all_datasets
        if entry.hub_id
    )
    settings = FetchSettings(
        base=job.base_folder or model.base,
        hub="local" if job.base_folder else model.hub,
        revision=model.revision,
        hardware=job.hardware,
        datasets=datasets,
        tokenizer=model.tokenizer,
        sampling=job.recipe.serve.sampling.given,
        reward=job.reward is not None,
        older=ppo.OLDER if job.trainer is Runtime.PPO else "",
        # LLaMA-Factory 0.9.5 trains a tied reward model to its end, and then dies as it saves it.
        untied=job.kind.scores and job.recipe.train.method != "lora",
    )
    file, command = task("fetch", settings, secrets=token_variables())
    # A folder that the user changes, or a recipe, is another base, although its name is the same.
    depends = {"base": job.base_state} if job.base_state else {}
    if job.reward is not None:
        depends["reward"] = job.reward.state
    return Stage(name="fetch", files=(file,), commands=(command,), outputs=("inputs",), depends=depends)
