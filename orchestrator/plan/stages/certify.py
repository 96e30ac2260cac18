"""certify: every proof of a run and the hash of every file they cover, as proof.json beside the export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.plan.stage import Stage, partial
from orchestrator.plan.stages.base import (
    CERTIFICATE,
    DATA_PROOF,
    EXPORT_PROOF,
    GAIN,
    GAIN_PROOF,
    SERVED_PROOF,
    task,
    unproven,
)

if TYPE_CHECKING:
    from orchestrator.plan.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifySettings:
    """Settings of the task `certify`.

    Attributes:
        recipe: its name. export: its folder. out: the certificate.
        left_out: proofs of other files than these, which say nothing about them.
        unproven: proof → why it cannot be given here.
        of_kind: proofs that the training kind has beside those that every run has.
    """

    recipe: str
    export: str
    out: str
    left_out: tuple[str, ...] = ()
    unproven: Mapping[str, str] = field(default_factory=dict)
    of_kind: tuple[str, ...] = ()


def stage(job: Job) -> Stage:
    """A fold over the existing proofs; missing ones are named."""
    settings = CertifySettings(
        recipe=job.recipe.name,
        export="export",
        unproven=unproven(job),
        of_kind=tuple(job.kind.proofs),
        out=partial(CERTIFICATE),
    )
    file, command = task("certify", settings)
    gain = (GAIN_PROOF,) if GAIN in job.kind.proofs else ()
    return Stage(
        name="certify",
        files=(file,),
        commands=(command,),
        inputs=("export", "chat_template.jinja", DATA_PROOF, EXPORT_PROOF, SERVED_PROOF, *gain),
        outputs=(CERTIFICATE,),
    )
