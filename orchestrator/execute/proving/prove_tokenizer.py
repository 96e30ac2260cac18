"""The task `prove_tokenizer`: whether both environments read the same texts as the same tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.proofs.tokenizer import prove


def prove_tokenizer(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the proof; 5 when it does not hold and was not accepted.

    Args:
        settings: training_ids, serving_ids: the probes' files; out: the proof; accept_mismatch; all paths
            relative to the folder.
        folder: the run folder.

    Raises:
        MissingError: a probe left no file. StageFailed: its first line is no header with texts.
    """
    train, serve = (read_header(folder / settings[name]) for name in ("training_ids", "serving_ids"))
    return leave_proof(prove(train, serve), settings, folder)


def read_header(path: Path) -> dict[str, Any]:
    """The first line of a probe's file: what was used, and how the fixed texts were read."""
    try:
        with path.open(encoding="utf-8") as lines:
            header = json.loads(lines.readline())
        _ = (
            header["texts"],
            header["tokenizer"],
            header["versions"],
            header["bos_token_id"],
            header["eos_token_id"],
        )
    except FileNotFoundError:
        raise MissingError(
            Problem("the probe left no token ids", where=str(path), hint="run it again")
        ) from None
    except (ValueError, KeyError, TypeError):
        raise StageFailed(Problem("the token ids have no header", str(path), "run the stage again")) from None
    return dict(header)
