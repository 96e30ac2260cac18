"""Tasks that hold the server's scores against the trainer's: of loss, preference and perplexity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from orchestrator.datasets.targets import REJECTED
from orchestrator.errors import Problem, StageFailed
from orchestrator.execute.host.jsonl import Key, key_of, lines_of
from orchestrator.execute.proving.probe_files import location, open_trained, sources_of, trained_ids
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.plan.stages.prove_served import ProveLossSettings
from orchestrator.proofs import loss, perplexity, preference
from orchestrator.proofs.scores import Answer, Row
from orchestrator.proofs.trained import RowIds
from orchestrator.templates.pieces import Pieces


class TrainerTurn(TypedDict):
    """One answer in trainer_loss.jsonl: log probabilities of its labels, by the trainer and by the base."""

    turn: int
    logprobs: list[float]
    base_logprobs: list[float]


class TrainerRow(TypedDict):
    """A line of trainer_loss.jsonl."""

    held_out: bool
    loss: float
    turns: list[TrainerTurn]


class ServedTurn(TypedDict):
    """One answer in served_loss.jsonl: after the training ids (weights), and after the server's prompt."""

    weights: list[float]
    prompt: list[float]
    prefilled: int
    error: str


class ServedScores(TypedDict):
    """A line of served_loss.jsonl; `marked`: of a document, the server puts a mark before it by default."""

    turns: list[ServedTurn]
    error: str
    marked: NotRequired[bool]


def prove_loss(settings: ProveLossSettings, folder: Path) -> int:
    """Write the proof; 5 if the server gives other probabilities and that is not accepted."""
    header, rows = _scored(settings, folder)
    dtypes = (header["compute_dtype"], settings.dtype)
    pairs = any(name.endswith(REJECTED) for name, _ in rows)
    proof = loss.prove(
        list(rows.values()), dtypes, header["eligible"], pairs=pairs, quantized=header.get("quantized")
    )
    return leave_proof(proof, settings, folder)


def prove_preference(settings: ProveLossSettings, folder: Path) -> int:
    """Write the proof; 5 if training moved the model towards the worse answers and that is not accepted."""
    _, rows = _scored(settings, folder)
    if not any(name.endswith(REJECTED) for name, _ in rows):
        rated = [preference.Rated.of(row) for row in rows.values() if not row.error]
        return leave_proof(preference.prove_rated(rated), settings, folder)
    margins = [
        preference.Margin.of(row, worse)
        for (name, number), row in rows.items()
        if (worse := rows.get((name + REJECTED, number))) and not (row.error or worse.error)
    ]
    return leave_proof(preference.prove(margins), settings, folder)


def prove_perplexity(settings: ProveLossSettings, folder: Path) -> int:
    """Write the proof; 5 if held-out documents have not become more likely and that is not accepted."""
    _, rows = _scored(settings, folder)
    marked = any(line.get("marked") for line in lines_of(folder / settings.served))
    return leave_proof(perplexity.prove(list(rows.values()), marked=marked), settings, folder)


def _scored(settings: ProveLossSettings, folder: Path) -> tuple[dict[str, Any], dict[Key, Row]]:
    """The header of the trainer's scores, and every row as both scored it."""
    header, *lines = [*lines_of(folder / settings.trainer)] or [{}]
    if "eligible" not in header:
        raise StageFailed(Problem("has no header: it is cut off", settings.trainer, "run the stage again"))
    mine: dict[Key, TrainerRow] = {key_of(line): cast("TrainerRow", line) for line in lines}
    scores = lines_of(folder / settings.served)
    theirs: dict[Key, ServedScores] = {key_of(line): cast("ServedScores", line) for line in scores}
    file = open_trained(folder / settings.training_ids)
    ids = {key_of(row): row for row in trained_ids(file) if key_of(row) in mine}
    sources = sources_of(folder / settings.prepare)
    pairs = any(name.endswith(REJECTED) for name, _ in mine)
    rows = {}
    for key, line in mine.items():
        if key not in theirs or key not in ids:
            what = f"{key[0]} row {key[1]} was scored by the trainer only"
            raise StageFailed(Problem(what, settings.served, "run the stage again"))
        served, where = theirs[key], location(key, sources)
        answers = list(_answers(line, served, ids[key], file.pieces)) if not served["error"] else []
        liked = not key[0].endswith(REJECTED) if pairs else ids[key].get("liked")
        rows[key] = Row(where, line["held_out"], answers, line["loss"], served["error"], liked)
    return header, rows


def _answers(mine: TrainerRow, theirs: ServedScores, row: RowIds, pieces: Pieces) -> Iterator[Answer]:
    for turn, trained, served in zip(row["turns"], mine["turns"], theirs["turns"], strict=True):
        # Of a long document, its beginning was scored.
        ids: Sequence[int] = row["ids"][: turn["start"] + len(trained["logprobs"])]
        yield Answer(
            turn=trained["turn"],
            tokens=[pieces.around(ids, at) for at in range(turn["start"], len(ids))],
            trainer=trained["logprobs"],
            base=trained["base_logprobs"],
            weights=served["weights"],
            prompt=served["prompt"],
            prefilled=served["prefilled"],
            error=served["error"],
        )
