"""`conch prove`: prove that the served model is the trained one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, accept_option, base_url_option, recipe_argument, verb

if TYPE_CHECKING:
    from orchestrator.execute.run_store.certify import Certificate


@verb(
    example="conch prove magic_conch\nconch prove magic_conch --offline --json\n"
    "conch prove magic_conch --base-url http://127.0.0.1:8000/v1"
)
@recipe_argument
@accept_option
@click.option("--offline", is_flag=True, help="Skip the proofs that need a server.")
@base_url_option("Use this running server instead of starting one.")
@click.option("--model", default="", metavar="NAME", help="Model name of that server; default: the recipe's.")
def command(*, recipe: str, accept_mismatch: bool, offline: bool, base_url: str, model: str) -> Outcome:
    """Prove that the served model is the trained one, and write the certificate.

    Checks the current files of the recipe's latest run: tokenizer, chat template, truncation, changes since
    training, the merge and the stop tokens; with a server, also its tokens and the loss of its weights.
    Writes proof.json beside the export and exits with 0, or with 5 and names the cause and the fix.
    """
    from pathlib import Path

    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.project import recipes
    from orchestrator.execute.proving.prove import prove
    from orchestrator.execute.runner.existing_run import Server

    if offline and base_url:
        raise click.UsageError("--offline uses no server: omit --base-url")
    run, certificate = prove(
        recipe,
        project=recipes.project_folder(Path.cwd()),
        progress=TerminalProgress(),
        offline=offline,
        accept_mismatch=accept_mismatch,
        server=Server(base_url, model) if base_url else None,
    )
    refuted = [proof for proof in certificate["proofs"] if not proof["holds"]]
    data = {"run": run.name, "certificate": str(run.path / "proof.json"), **certificate}
    text = "\n".join(_lines(certificate, str(run.path / "proof.json")))
    code = 5 if any(not proof["accepted"] for proof in refuted) else 0
    return Outcome(data=data, text=text, exit_code=code)


def _lines(certificate: Certificate, path: str) -> Iterable[str]:
    from orchestrator.outside import visible
    from orchestrator.proofs import OF_KINDS

    for proof in certificate["proofs"]:
        if proof["holds"]:
            yield f"  ✓ {proof['name']:<14} {visible(proof['covered'])}"
            if proof["name"] in OF_KINDS and proof["detail"]:
                yield f"      {visible(proof['detail'])}"
            continue
        word = " (accepted)" if proof["accepted"] else ""
        yield f"  ✗ {proof['name']:<14} {visible(proof['detail'])}{word}"
        for finding in proof["findings"][:3]:
            place = f"{finding['where']}  " if finding.get("where") else ""
            yield f"      {visible(place + str(finding['what']))}"
        if proof["hint"]:
            yield f"      → {visible(runnable(proof['hint']))}"
    for name in certificate["not_proven"]:
        reason = certificate.get("reasons", {}).get(name)
        yield f"  · {name:<14} not proven" + (f" here: {visible(reason)}" if reason else "")
    yield f"{'holds' if certificate['holds'] else 'DOES NOT HOLD'}: {path}"
