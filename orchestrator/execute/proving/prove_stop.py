"""prove_stop: whether the server stops where trained answers end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.execute.proving.trained_rows import TrainedRows
from orchestrator.proofs import stop


def prove_stop(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the proof; 5 when it does not hold and was not accepted.

    Args:
        settings: training_ids, prepare (prepare.json), stop_ids (the probe's facts), base (the base model's
            folder), out: paths in the folder; accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: a file is not there. StageFailed: one is cut off.
    """
    rows = TrainedRows.open(folder / settings["training_ids"], folder / settings["prepare"])
    base_eos = _eos_token(folder / settings["base"] / "tokenizer_config.json")
    served = _served(folder / settings["stop_ids"], base_eos, rows.header.get("eos_token_id"))
    proof = stop.prove(rows, rows.pieces, served, rows.passed_over)
    return leave_proof(proof, settings, folder)


def _served(facts: Path, base_eos: str, trained_eos: int | None) -> stop.Served:
    try:
        return stop.Served.of(json.loads(facts.read_bytes()), base_eos, trained_eos)
    except FileNotFoundError:
        raise MissingError(Problem("the probe left no stop ids", str(facts), "run the stage again")) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StageFailed(Problem("holds no stop ids", str(facts), "run the stage again")) from None


def _eos_token(path: Path) -> str:
    """The eos token that a tokenizer_config.json names; "" where it names none or cannot be read."""
    try:
        token = json.loads(path.read_bytes()).get("eos_token")
        return str(token["content"] if isinstance(token, dict) else token or "")
    except (OSError, ValueError, KeyError, AttributeError):
        return ""
