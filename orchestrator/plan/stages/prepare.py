"""prepare: every dataset as LLaMA-Factory reads it, audited, and the conversations of the proofs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.datasets.base import PT, SFT
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.split import TEST, TRAIN, VALIDATION, SplitSpec
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages.base import task

if TYPE_CHECKING:
    from orchestrator.plan.job import Job

# Enough shapes (1–4 turns, languages, thoughts, odd texts, with and without system) to find any error in a
# template; they take a second.
GENERATED, WITH_TOOLS, SEED = 500, 300, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSettings:
    """A dataset: its file, how it is read, and the part ("train", "validation" or "test") it belongs to.

    The other fields are those of DatasetEntry.
    """

    name: str
    path: str
    format: str
    columns: Mapping[str, str]
    items: str = ""
    sheet: str = ""
    split: str = ""
    fix: bool = False
    drop_bad: bool = False
    limits: int = 1
    part: str = TRAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedSettings:
    """Generated conversations for the proofs: how many, without and with tools; with thoughts or not."""

    seed: int
    count: int
    thoughts: bool
    with_tools: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareSettings:
    """The settings of the task.

    Attributes:
        datasets: those for validation and test come first.
        max_samples: read so many rows of each; None for all.
        held_out: files of paraphrases.
        split: how the trained datasets are split; None if they are not.
        purpose: of the rows, as in datasets/base.py.
    """

    datasets: tuple[DatasetSettings, ...]
    max_samples: int | None
    held_out: tuple[str, ...]
    generated: GeneratedSettings
    split: SplitSpec | None = None
    purpose: str = SFT


def stage(job: Job, settings_of_it: PrepareSettings | None = None) -> Stage:
    """Convert and audit; a row that LLaMA-Factory would drop or train wrongly ends the run."""
    file, command = task("prepare", settings_of_it or settings(job))
    return Stage(
        name="prepare",
        files=(file,),
        commands=(command,),
        inputs=("inputs",) if any(entry.hub_id for entry in job.all_datasets) else (),
        outputs=("data",),
        depends={entry.name: entry.sha256 for entry in job.all_datasets},
    )


def settings(job: Job) -> PrepareSettings:
    """What a recipe prepares."""
    data = job.recipe.data
    split = SplitSpec(
        data.parts, seed=data.split_seed, stratify=data.stratify or "", near_duplicates=data.near_duplicates
    )
    return PrepareSettings(
        datasets=(
            # Validation and test come first, so that leaks are found while the rest is read.
            *(_dataset(entry, TEST) for entry in job.test),
            *(_dataset(entry, VALIDATION) for entry in job.validation),
            *(_dataset(entry, TRAIN) for entry in job.datasets),
        ),
        max_samples=data.max_samples,
        held_out=tuple(
            f"{{project}}/{entry.paraphrases_path}" for entry in job.datasets if entry.paraphrases_path
        ),
        generated=GeneratedSettings(
            seed=SEED,
            count=0 if job.kind.purpose == PT else GENERATED,  # no chat template renders documents
            with_tools=WITH_TOOLS if job.tools else 0,
            thoughts=job.recipe.template.thinking != "off",
        ),
        split=split if data.parts else None,
        purpose=job.kind.purpose,
    )


def _dataset(entry: DatasetEntry, part: str) -> DatasetSettings:
    return DatasetSettings(
        name=entry.name,
        path=f"inputs/data/{entry.name}" if entry.hub_id else f"{{project}}/{entry.path}",
        format=entry.format,
        columns=dict(entry.columns),
        items=entry.items,
        sheet=entry.sheet,
        split=entry.split,
        fix=entry.fix,
        drop_bad=entry.drop_bad,
        limits=entry.limits,
        part=part,
    )
