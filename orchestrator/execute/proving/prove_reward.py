"""The tasks `prove_reward` and `prove_reward_accuracy`: the scores of trainer, export and server, by pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.host.jsonl import key_of, lines_of
from orchestrator.execute.inference.rewards import SIDES
from orchestrator.execute.proving.probe_files import sources_of
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.plan.stages.prove_served import ProveRewardSettings
from orchestrator.proofs import reward


def prove_reward(settings: ProveRewardSettings, folder: Path) -> int:
    """Write the proof; 5 if the server gives other scores than the trainer and that is not accepted."""
    header, pairs = _scored(settings, folder)
    dtypes = (header["compute_dtype"], settings.dtype)
    return leave_proof(reward.prove(pairs, dtypes, header["eligible"]), settings, folder)


def prove_reward_accuracy(settings: ProveRewardSettings, folder: Path) -> int:
    """Write the proof; 5 if the scores of held-out pairs are not better than chance, and not accepted."""
    _, pairs = _scored(settings, folder)
    return leave_proof(reward.accuracy(pairs), settings, folder)


def _scored(settings: ProveRewardSettings, folder: Path) -> tuple[dict[str, Any], list[reward.Pair]]:
    """The header of the trainer's scores, and every pair as all scored it."""
    header, *lines = [*lines_of(folder / settings.trainer)] or [{}]
    if "eligible" not in header:
        raise StageFailed(Problem("has no header: it is cut off", settings.trainer, "run the stage again"))
    served = {key_of(line): line for line in lines_of(folder / settings.served)}
    sources = sources_of(folder / settings.prepare)
    pairs = []
    for line in lines:
        name, number = key_of(line)
        if (name, number) not in served:
            what = f"{name} row {number} was scored by the trainer only"
            raise StageFailed(Problem(what, settings.served, "run the stage again"))
        theirs, where = served[name, number], f"{sources.get(name, name)}:{number}"
        if theirs["error"]:
            pairs.append(reward.Pair(where, line["held_out"], error=theirs["error"]))
            continue
        better, worse = (
            reward.Scored(trainer=line[side], export=line[f"export_{side}"], **theirs[side]) for side in SIDES
        )
        pairs.append(reward.Pair(where, line["held_out"], better, worse))
    return header, pairs
