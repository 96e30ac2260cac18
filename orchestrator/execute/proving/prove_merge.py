"""prove_merge: what the merge probe measured, as a proof."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.proofs import merge


def prove_merge(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the proof; 5 when the export is not the merge and that was not accepted.

    Args:
        settings: facts (of probes/merge_check.py), out: paths in the folder; accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: the probe left no facts.
    """
    path = folder / settings["facts"]
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        what = "the merge probe left no facts that can be read"
        raise MissingError(Problem(what, str(path), "run the stage again")) from None
    return leave_proof(merge.prove(facts), settings, folder)
