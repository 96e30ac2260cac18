"""The task `certify`: writes proof.json, the certificate of a run, which servers check the files against.

    {"version": 1, "conch", "recipe", "holds", "accepted", "not_proven": [name], "proofs": [Proof],
     "reasons": {name: why it cannot be proven here}, "files": {path in the export: "sha256:…"},
     "chat_template": "sha256:…"}

It holds if every existing proof holds, and is valid only for these files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from orchestrator import __version__
from orchestrator.errors import CheckFailed, MissingError, Problem
from orchestrator.execute.host.atomic_files import read_regular, sha256_file, write_durable
from orchestrator.execute.models.model_folder import hash_files
from orchestrator.execute.run_store.load_report import read_proofs
from orchestrator.plan.stages.base import CERTIFICATE
from orchestrator.plan.stages.certify import CertifySettings
from orchestrator.proofs import PROOFS
from orchestrator.results import json_of

TEMPLATE = "chat_template.jinja"
HINT = "export and prove again: `conch run`"


class ProofJson(TypedDict):
    """A Proof in a certificate; the Chinese of each sentence stands beside it as KEY_zh."""

    name: str
    holds: bool
    accepted: bool
    covered: str
    numbers: Mapping[str, float]
    detail: str
    hint: str
    not_covered: str
    findings: list[dict[str, object]]


class Certificate(TypedDict):
    """proof.json."""

    version: int
    conch: str
    recipe: str
    holds: bool
    accepted: list[str]
    not_proven: list[str]
    reasons: Mapping[str, str]
    proofs: list[ProofJson]
    files: Mapping[str, str]
    chat_template: str


def certify(settings: CertifySettings, folder: Path) -> int:
    """Write the certificate; 5 if a proof does not hold and is not accepted, or if there is no proof."""
    proofs = tuple(proof for proof in read_proofs(folder) if proof.name not in settings.left_out)
    made = {proof.name for proof in proofs}
    certificate: Certificate = {
        "version": 1,
        "conch": __version__,
        "recipe": settings.recipe,
        "holds": bool(proofs) and all(proof.holds for proof in proofs),
        "accepted": [proof.name for proof in proofs if proof.accepted],
        "not_proven": [name for name in (*PROOFS, *settings.of_kind) if name not in made],
        "reasons": dict(settings.unproven),
        "proofs": json_of(proofs),
        "files": hash_files(folder / settings.export),
        "chat_template": sha256_file(folder / TEMPLATE),
    }
    text = json.dumps(certificate, ensure_ascii=False, indent=2)
    write_durable(folder / settings.out, text + "\n")
    good = bool(proofs) and all(proof.holds or proof.accepted for proof in proofs)
    return 0 if good else CheckFailed.exit_code


def read_certificate(folder: Path, *, recipe: str) -> Certificate:
    """The certificate of a run folder.

    Raises:
        MissingError: there is none that can be read; names the command that makes one.
    """
    path = folder / CERTIFICATE
    try:
        found: Certificate = json.loads(read_regular(path))
        _ = found["holds"], found["proofs"], found["files"], found["chat_template"]
    except (OSError, ValueError, KeyError, TypeError):
        what = "the export has no readable certificate: it was never proven"
        raise MissingError(Problem(what, str(path), f"conch prove {recipe}")) from None
    return found


def refuse_unproven(certificate: Certificate, folder: Path, *, recipe: str) -> None:
    """Raise if a proof does not hold, there is none, or the files are not the proven ones.

    Raises:
        CheckFailed: with every proof that fails, and every file that was changed, added or removed.
    """
    problems = [
        Problem(f"{proof['name']} does not hold: {proof['detail']}", str(folder / CERTIFICATE), proof["hint"])
        for proof in certificate["proofs"]
        if not proof["holds"] and not proof["accepted"]
    ]
    hint = f"conch prove {recipe}"
    if not certificate["proofs"]:
        problems.append(Problem("nothing was proven of this export", str(folder / CERTIFICATE), hint))
    problems += changed_files(certificate, folder, hint=hint)
    if problems:
        raise CheckFailed(*problems)


def changed_files(certificate: Certificate, folder: Path, *, hint: str) -> list[Problem]:
    """The files that differ from the proven ones, byte by byte."""
    problems = check_files(certificate["files"], folder / "export")
    template = folder / TEMPLATE
    if not template.is_file() or sha256_file(template) != certificate["chat_template"]:
        problems.append(Problem("the chat template was changed after it was proven", str(template), hint))
    return problems


def check_files(files: Mapping[str, str], folder: Path) -> list[Problem]:
    """What was added, removed or changed in a model folder since it was certified; [] if nothing.

    Every file is hashed, because size and times do not show a shard that was edited in place.

    Args:
        files: path in the folder → "sha256:…", as in the certificate.
        folder: the exported model.
    """
    if not folder.is_dir():
        return [Problem("the exported model is gone", str(folder), HINT)]
    try:
        now = hash_files(folder)
    except OSError as error:
        return [Problem(f"cannot be read: {error.strerror}", str(error.filename or folder), HINT)]
    problems = []
    for name in sorted({*files, *now}):
        before, after = files.get(name, ""), now.get(name, "")
        if before == after:
            continue
        event = "changed" if before and after else "removed" if before else "added"
        hashes = " → ".join(value.removeprefix("sha256:")[:12] for value in (before, after) if value)
        problems.append(Problem(f"was {event} after it was proven ({hashes})", str(folder / name), HINT))
    return problems
