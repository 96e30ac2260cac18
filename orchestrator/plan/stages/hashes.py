"""hashes: the hash of everything that the model was trained from, so that a changed file is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import HASHES, task, template_file


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedPaths:
    """What is hashed: paths in the run folder, and environment → hash of its lockfile."""

    base: str
    manifest: str
    adapter: str
    chat_template: str
    train_yaml: str
    data: tuple[str, ...]
    environments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHashesSettings(HashedPaths):
    """Settings of the task `record_hashes`."""

    out: str


def stage(job: Job) -> Stage:
    """Recorded when training ends; prove_export and `conch prove` hash the same files again."""
    settings = RecordHashesSettings(**asdict(hashed_paths(job)), out=partial(HASHES))
    file, command = task("record_hashes", settings)
    return Stage(
        name="hashes",
        files=(template_file(job), file),
        commands=(command,),
        inputs=("inputs", "adapter"),
        outputs=(HASHES,),
    )


def hashed_paths(job: Job) -> HashedPaths:
    """Base, adapter, template, settings and data of a run."""
    return HashedPaths(
        base="inputs/base",
        manifest="inputs/base.json",
        adapter="adapter",
        chat_template="chat_template.jinja",
        train_yaml="train.yaml",
        data=tuple(f"data/{name}.jsonl" for name in (*job.names_of("train"), *job.names_of("validation"))),
        environments=dict(job.lockfiles),
    )
