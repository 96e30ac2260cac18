"""The tasks `prove_environment` and `prove_gain` of ppo: what the probes computed becomes a proof."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.host.jsonl import Key, key_of, lines_of
from orchestrator.execute.proving.probe_files import location, sources_of
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.plan.stages.prove_data import ProveEnvironmentSettings
from orchestrator.plan.stages.rewards import ProveGainSettings
from orchestrator.proofs import environment, reward_gain


def prove_environment(settings: ProveEnvironmentSettings, folder: Path) -> int:
    """Write the proof; 5 if the two environments compute different values and that is not accepted."""
    trainer, other = (_values(folder / path) for path in (settings.trainer, settings.other))
    (header, mine), (plain, theirs) = trainer, other
    sources = sources_of(folder / settings.prepare)
    rows = [
        environment.Values(
            location(key, sources),
            row["logprobs"],
            theirs[key]["logprobs"],
            row["score"],
            theirs[key]["score"],
        )
        for key, row in mine.items()
        if key in theirs
    ]
    versions = header["versions"]["transformers"], plain["versions"]["transformers"]
    return leave_proof(environment.prove(rows, versions, header["texts"]), settings, folder)


def prove_gain(settings: ProveGainSettings, folder: Path) -> int:
    """Write the proof; 5 if the mean reward did not rise and that is not accepted."""
    scores: dict[Key, dict[str, dict[str, Any]]] = {}
    for line in lines_of(folder / settings.scores):
        scores.setdefault(key_of(line), {})[line["when"]] = line
    sources = sources_of(folder / settings.prepare)
    prompts = list(_scored(scores, sources))
    return leave_proof(reward_gain.prove(prompts, len(scores) - len(prompts)), settings, folder)


def _values(path: Path) -> tuple[dict[str, Any], dict[Key, dict[str, Any]]]:
    """The header and the rows that probes/model_values.py wrote."""
    header, *rows = [*lines_of(path)] or [{}]
    if "versions" not in header or not rows:
        raise StageFailed(Problem("has no row: it is cut off", str(path), "run the stage again"))
    return header, {key_of(row): row for row in rows}


def _scored(
    scores: Mapping[Key, Mapping[str, Mapping[str, Any]]], sources: Mapping[str, str]
) -> Iterator[reward_gain.Scored]:
    """The prompts of which both answers were scored."""
    for key, both in scores.items():
        before, after = (both.get(when, {}).get("score") for when in ("before", "after"))
        if before is not None and after is not None:
            question = str(both["after"]["question"])
            yield reward_gain.Scored(location(key, sources), question, before, after)
