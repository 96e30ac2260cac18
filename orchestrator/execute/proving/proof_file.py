"""A proof as its file: what every proving task leaves behind, and how it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.errors import CheckFailed
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.results import Proof, json_of


def leave_proof(proof: Proof, settings: Mapping[str, Any], folder: Path) -> int:
    """Write a proof to settings["out"]; 5 when it does not hold, unless settings["accept_mismatch"].

    The culprit and its fix are told on standard error, for the log.
    """
    accepted = bool(settings.get("accept_mismatch")) and not proof.holds
    told = json_of(replace(proof, accepted=accepted))
    write_durable(folder / settings["out"], json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    if not proof.holds:
        hint = f"\n    → {proof.hint}" if proof.hint else ""
        sys.stderr.write(f"{proof.name}: {proof.detail}{hint}\n")
    return 0 if proof.holds or accepted else CheckFailed.exit_code
