"""prove_hashes: what a model was trained from is still there, and its export fits it.

Everything is hashed again, the base's weights too: no size, time or manifest is believed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.atomic_files import read_json, read_text, sha256_file
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.execute.run_store.record_hashes import survey
from orchestrator.proofs import hashes


def prove_hashes(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the proof; 5 when it does not hold and was not accepted.

    Args:
        settings: those of record_hashes, with adapter and the rest where they lie now; lock: what it
            wrote; export: the exported model's folder, absent before there is one; out; accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: there is no lock. StageFailed: it cannot be read.
    """
    then = read_hashes(folder / settings["hashes"])
    exported = _exported(str(settings["export"]), folder) if settings.get("export") else None
    return leave_proof(hashes.prove(then, survey(settings, folder), exported), settings, folder)


def read_hashes(path: Path) -> hashes.ModelHashes:
    """What record_hashes wrote.

    Raises:
        MissingError: there is none. StageFailed: it cannot be read.
    """
    try:
        found = hashes.ModelHashes(**json.loads(path.read_bytes()))
        _ = [dict(each) for each in (found.base, found.fetched, found.files, found.texts, found.generation)]
    except FileNotFoundError:
        raise MissingError(Problem("no lock was recorded", str(path), "train again: `conch run`")) from None
    except (OSError, ValueError, TypeError):
        raise StageFailed(Problem("is no lock", str(path), "train again: `conch run`")) from None
    return found


def _exported(name: str, folder: Path) -> hashes.Exported:
    export = folder / name
    if not export.is_dir():
        raise MissingError(Problem("there is no export", str(export), "export it: `conch run`"))
    template = export / hashes.TEMPLATE
    return hashes.Exported(
        folder=name,
        template=read_text(template),
        template_hash=sha256_file(template) if template.is_file() else "",
        generation=read_json(export / hashes.GENERATION),
    )
