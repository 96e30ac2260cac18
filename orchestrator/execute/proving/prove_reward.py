"""The tasks `prove_reward` and `prove_reward_accuracy`: the scores of trainer, export and server, by pair.

And for `conch verify`: the scores that a running server gives the held-out pairs of a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.datasets.targets import REJECTED
from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.jsonl import key_of, lines_of
from orchestrator.execute.inference.rewards import SIDES
from orchestrator.execute.inference.token_server import TokenServer
from orchestrator.execute.proving.probe_files import location, open_trained, prepared_sets, sources_of
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.plan.stages.base import CONVERSATIONS
from orchestrator.plan.stages.prove_served import PREPARED, TRAINING_IDS, ProveRewardSettings
from orchestrator.proofs import reward
from orchestrator.proofs.requests import template_options


@dataclass(frozen=True, slots=True)
class ScoredPair:
    """A held-out pair: where it is, its last question, and the scores of its two answers."""

    where: str
    question: str
    better: float
    worse: float


def score_held_out(run: Run, server: TokenServer) -> list[ScoredPair]:
    """Have a server score the messages of a run's held-out pairs.

    Raises:
        MissingError: the run held out no pairs; or as TokenServer.
    """
    sources = {
        one["name"]: one["file"]
        for one in prepared_sets(run.path / PREPARED)
        if one["part"] == "validation" and one["rows"]
    }
    if not sources:
        what = f"run {run.name} held out no pairs to score"
        raise MissingError(Problem(what, hint=f"set data.validation_share, then conch run {run.recipe}"))
    thinking = open_trained(run.path / TRAINING_IDS).header["thinking"]
    talks = {key_of(line): line["messages"] for line in lines_of(run.path / CONVERSATIONS)}
    scored = []
    for (name, number), messages in talks.items():
        worse = talks.get((name + REJECTED, number))
        if name in sources and worse:
            both = [
                server.score_messages(one, template_options(one[-1], mixed=thinking is None))
                for one in (messages, worse)
            ]
            scored.append(ScoredPair(f"{sources[name]}:{number}", messages[-2]["content"], *both))
    return scored


def prove_reward(settings: ProveRewardSettings, folder: Path) -> int:
    """Write the proof; 5 if the server gives other scores than the trainer and that is not accepted."""
    header, pairs = _scored(settings, folder)
    dtypes = (header["compute_dtype"], settings.dtype)
    return leave_proof(reward.prove(pairs, dtypes, header["eligible"]), settings, folder)


def prove_reward_accuracy(settings: ProveRewardSettings, folder: Path) -> int:
    """Write the proof; 5 if the scores of held-out pairs are not better than chance, and not accepted."""
    _, pairs = _scored(settings, folder)
    return leave_proof(reward.accuracy(reward.preferences(pairs)), settings, folder)


def _scored(settings: ProveRewardSettings, folder: Path) -> tuple[dict[str, Any], list[reward.Pair]]:
    """The header of the trainer's scores, and every pair as all scored it."""
    header, *lines = [*lines_of(folder / settings.trainer)] or [{}]
    if "eligible" not in header:
        raise StageFailed(Problem("has no header: it is cut off", settings.trainer, "run the stage again"))
    served = {key_of(line): line for line in lines_of(folder / settings.served)}
    sources = sources_of(folder / settings.prepare)
    pairs = []
    for line in lines:
        key = key_of(line)
        if key not in served:
            what = f"{key[0]} row {key[1]} was scored by the trainer only"
            raise StageFailed(Problem(what, settings.served, "run the stage again"))
        theirs, where = served[key], location(key, sources)
        if theirs["error"]:
            pairs.append(reward.Pair(where, line["held_out"], error=theirs["error"]))
            continue
        better, worse = (
            reward.Scored(trainer=line[side], export=line[f"export_{side}"], **theirs[side]) for side in SIDES
        )
        pairs.append(reward.Pair(where, line["held_out"], better, worse))
    return header, pairs
