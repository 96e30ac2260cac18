"""Read back what a run left, as a Report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.report import Proof, Report, Run, Verdict
from orchestrator.stages.base import DATA_PROOF, EXPORT_PROOF, VERDICTS


def read_report(folder: Path, *, recipe: str, headline: str = "", runs: Sequence[Run] = ()) -> Report:
    """Verdicts and proofs of a run folder; what is not there yet is empty."""
    verdicts = _json(folder / VERDICTS) or {}
    return Report(
        recipe=recipe,
        headline=headline,
        runs=tuple(runs),
        verdicts=_verdicts(verdicts.get("verdicts")),
        paraphrases=_verdicts(verdicts.get("paraphrases")),
        base_verdicts=_verdicts(verdicts.get("base_verdicts")),
        proofs=tuple(read_proofs(folder)),
    )


def read_proofs(folder: Path) -> Iterable[Proof]:
    """The parity proofs of a run folder, of the data first."""
    for name, place in (("parity:data", DATA_PROOF), ("parity:export", EXPORT_PROOF)):
        found = _json(folder / place / "parity.json")
        if found is not None:
            yield proof_of(name, found)


def proof_of(name: str, parity: dict[str, Any]) -> Proof:
    """The Proof that a parity.json holds."""
    first = parity.get("first_difference") or {}
    return Proof(
        name=name,
        holds=bool(parity["holds"]),
        covered=str(parity.get("covered", "")),
        numbers=parity.get("counts", {}),
        detail=str(first.get("explanation", "")),
        accepted=bool(parity.get("accepted", False)),
    )


def _verdicts(rows: Any) -> tuple[Verdict, ...]:
    return tuple(Verdict(**row) for row in rows or ())


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found
