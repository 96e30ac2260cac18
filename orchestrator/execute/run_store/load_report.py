"""Read back what a run left, as a Report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.execute.host.atomic_files import read_json, read_regular
from orchestrator.plan.stages.base import CURVE, TARGET, VERDICTS
from orchestrator.proofs import OF_KINDS, PROOFS
from orchestrator.results import (
    CurveJson,
    Proof,
    Report,
    Sampled,
    StageResult,
    TargetJson,
    Verdict,
    from_json,
)

KINDS = ("verdicts", "paraphrases", "base_verdicts", "general", "general_base")


def read_report(folder: Path, *, recipe: str, headline: str = "", runs: Sequence[StageResult] = ()) -> Report:
    """Verdicts and proofs of a run folder; what is not there yet is empty."""
    verdicts = read_verdicts(folder / VERDICTS)
    curve: CurveJson | None = from_json(read_json(folder / CURVE))
    target: TargetJson | None = from_json(read_json(folder / TARGET))
    return Report(
        recipe=recipe,
        headline=headline,
        runs=tuple(runs),
        verdicts=verdicts["verdicts"],
        paraphrases=verdicts["paraphrases"],
        base_verdicts=verdicts["base_verdicts"],
        general=verdicts["general"],
        general_base=verdicts["general_base"],
        sampled=read_sampled(folder / VERDICTS),
        proofs=tuple(read_proofs(folder)),
        curve=curve,
        target=target,
    )


def read_verdicts(path: Path) -> dict[str, tuple[Verdict, ...]]:
    """Every kind of verdicts.json; empty where it has none, or is not there."""
    found = _json(path) or {}
    return {name: tuple(Verdict.from_json(row) for row in found.get(name) or ()) for name in KINDS}


def read_sampled(path: Path) -> Sampled | None:
    """The sampled answers of verdicts.json; None if it has none."""
    return Sampled.from_json((_json(path) or {}).get("sampled"))


def read_proofs(folder: Path) -> Iterable[Proof]:
    """The proofs of a run folder, in the order of orchestrator/proofs; those that were made."""
    for place in (PROOFS | OF_KINDS).values():
        found = _json(folder / place)
        if found is not None:
            yield proof_of(found)


def proof_of(values: Mapping[str, Any]) -> Proof:
    """The Proof in a proof's file; further keys of the file are ignored."""
    found = from_json(dict(values))
    known = {key: found[key] for key in Proof.__dataclass_fields__ if key in found}
    return Proof(**{**known, "findings": tuple(found.get("findings", ()))})


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(read_regular(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found
