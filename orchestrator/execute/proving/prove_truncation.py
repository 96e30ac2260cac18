"""prove_truncation: what cutoff_len took, and what became of thoughts, as a proof."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.execute.proving.trained_rows import TrainedRows
from orchestrator.proofs import truncation


def prove_truncation(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the ledger; 5 when it does not hold and was not accepted.

    Args:
        settings: training_ids, prepare (prepare.json), conversations, out: paths in the folder; limit: the
            recipe's data.max_truncated_fraction or None; accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: a file is not there. StageFailed: one is cut off.
    """
    paths = [folder / settings[name] for name in ("training_ids", "prepare", "conversations")]
    rows = TrainedRows.open(*paths)
    proof = truncation.prove(rows, rows.header, settings.get("limit"), rows.passed_over)
    return leave_proof(proof, settings, folder)
