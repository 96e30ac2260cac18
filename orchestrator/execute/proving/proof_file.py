"""Writes a proof to its file and decides the exit code of its task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from orchestrator.errors import CheckFailed
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.tell import tell
from orchestrator.results import Proof, json_of


class ProofSettings(Protocol):
    """What the settings of each proving task have in common."""

    @property
    def out(self) -> str:
        """The proof's file."""

    @property
    def accept_mismatch(self) -> bool:
        """Whether the user accepts a proof that does not hold."""


def leave_proof(
    proof: Proof, settings: ProofSettings, folder: Path, more: Mapping[str, object] | None = None
) -> int:
    """Write a proof, with `more` keys beside its own; 5 if it does not hold and is not accepted.

    The cause and its fix go to standard error, for the log.
    """
    accepted = settings.accept_mismatch and not proof.holds
    values = {**json_of(more or {}), **json_of(replace(proof, accepted=accepted))}
    write_durable(folder / settings.out, json.dumps(values, ensure_ascii=False, indent=2) + "\n")
    if not proof.holds:
        hint = f"\n    → {proof.hint}" if proof.hint else ""
        tell(f"{proof.name}: {proof.detail}{hint}")
    return 0 if proof.holds or accepted else CheckFailed.exit_code
