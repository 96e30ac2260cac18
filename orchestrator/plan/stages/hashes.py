"""hashes: the hash of everything that the model was trained from, so that a changed file is noticed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import HASHES, HashedPaths, hashed_paths, task, template_file

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


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
