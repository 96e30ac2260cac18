"""certify: proof.json, the certificate of a run: every proof, what was not proven, and the files meant.

    {"version": 1, "conch", "recipe", "holds", "accepted", "not_proven": [name], "proofs": [Proof],
     "reasons": {name: why it cannot be proven here}, "files": {path in the export: "sha256:…"},
     "chat_template": "sha256:…"}

It holds when every proof that was made holds. It speaks of these very files: whoever serves them checks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.errors import CheckFailed, MissingError, Problem
from orchestrator.execute.host.atomic_files import sha256_file, write_durable
from orchestrator.execute.models.model_folder import hash_files
from orchestrator.execute.run_store.certified_files import check_files
from orchestrator.execute.run_store.load_report import read_proofs
from orchestrator.plan.stages.base import CERTIFICATE
from orchestrator.plan.stages.certify import CertifySettings
from orchestrator.proofs import PROOFS

TEMPLATE = "chat_template.jinja"


def certify(settings: CertifySettings, folder: Path) -> int:
    """Write the certificate; 5 when a proof does not hold and was not accepted."""
    proofs = tuple(proof for proof in read_proofs(folder) if proof.name not in settings.left_out)
    made = {proof.name for proof in proofs}
    certificate = {
        "version": 1,
        "conch": __version__,
        "recipe": settings.recipe,
        "holds": all(proof.holds for proof in proofs),
        "accepted": [proof.name for proof in proofs if proof.accepted],
        "not_proven": [name for name in PROOFS if name not in made],
        "reasons": dict(settings.unproven),
        "proofs": [asdict(proof) for proof in proofs],
        "files": hash_files(folder / settings.export),
        "chat_template": sha256_file(folder / TEMPLATE),
    }
    text = json.dumps(certificate, ensure_ascii=False, indent=2)
    write_durable(folder / settings.out, text + "\n")
    return 0 if all(proof.holds or proof.accepted for proof in proofs) else CheckFailed.exit_code


def read_certificate(folder: Path, *, recipe: str) -> dict[str, Any]:
    """The certificate of a run folder.

    Raises:
        MissingError: there is none that can be read; names the command that makes one.
    """
    path = folder / CERTIFICATE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = found["holds"], found["proofs"], found["files"], found["chat_template"]
    except (OSError, ValueError, KeyError, TypeError):
        what = "the export has no certificate that can be read: it was never proven"
        raise MissingError(Problem(what, str(path), f"conch prove {recipe}")) from None
    return found


def refuse_unproven(certificate: Mapping[str, Any], folder: Path, *, recipe: str) -> None:
    """Raise when a proof does not hold, or the files are not those that were proven.

    Raises:
        CheckFailed: with every proof that fails, and every file that was changed, added or removed.
    """
    problems = [
        Problem(f"{proof['name']} does not hold: {proof['detail']}", str(folder / CERTIFICATE), proof["hint"])
        for proof in certificate["proofs"]
        if not proof["holds"] and not proof["accepted"]
    ]
    problems += changed_files(certificate, folder, hint=f"conch prove {recipe}")
    if problems:
        raise CheckFailed(*problems)


def changed_files(certificate: Mapping[str, Any], folder: Path, *, hint: str) -> list[Problem]:
    """What differs between the files that were proven and those that are there, byte by byte."""
    problems = check_files(certificate["files"], folder / "export")
    template = folder / TEMPLATE
    if not template.is_file() or sha256_file(template) != certificate["chat_template"]:
        problems.append(Problem("the chat template was changed after it was proven", str(template), hint))
    return problems
