"""prove_loss: the trainer's scores and the server's, row by row, as the loss certificate."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.jsonl import Key, key_of, lines_of
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.proofs import loss
from orchestrator.proofs.scores import Answer, Row
from orchestrator.templates.pieces import Pieces

Line = Mapping[str, Any]


def prove_loss(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the certificate; 5 when the server gives other probabilities and that was not accepted.

    Args:
        settings: training_ids, trainer (of probes/trainer_loss.py), served (of score_served), out: paths in
            the folder; prepare: data/prepare.json; dtype: the server's; accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: a file is not there. StageFailed: one is cut off, or they tell of different rows.
    """
    header, *mine = [*lines_of(folder / settings["trainer"])] or [{}]
    if "eligible" not in header:
        raise StageFailed(Problem("has no header: it is cut off", settings["trainer"], "run the stage again"))
    theirs = {key_of(line): line for line in lines_of(folder / settings["served"])}
    wanted = {key_of(line) for line in mine}
    ids, pieces = _ids(folder / settings["training_ids"], wanted)
    files = _files(folder / settings["prepare"])
    rows = []
    for line in mine:
        key = key_of(line)
        if key not in theirs or key not in ids:
            what = f"{key[0]} row {key[1]} was scored by the trainer alone"
            raise StageFailed(Problem(what, settings["served"], "run the stage again"))
        where = f"{files.get(key[0], key[0])}:{key[1]}"
        rows.append(_row(where, line, theirs[key], ids[key], pieces))
    dtypes = (header["compute_dtype"], settings["dtype"])
    return leave_proof(loss.prove(rows, dtypes, header["eligible"]), settings, folder)


def _ids(path: Path, wanted: set[Key]) -> tuple[dict[Key, Line], Pieces]:
    """(the wanted rows' ids and turns, the text of every id) of training_ids.jsonl."""
    rows: dict[Key, Line] = {}
    pieces: Mapping[str, str] = {}
    for line in lines_of(path):
        if "dataset" in line and key_of(line) in wanted:
            rows[key_of(line)] = line
        pieces = line.get("pieces", pieces)
    return rows, Pieces({int(token): text for token, text in pieces.items()})


def _files(path: Path) -> dict[str, str]:
    """Data set → its file as people know it."""
    try:
        prepared = json.loads(path.read_text(encoding="utf-8"))
        return {each["name"]: each["file"] for each in prepared["datasets"]}
    except (OSError, ValueError, KeyError, TypeError):
        what = "is not there, or not what the stage prepare writes"
        raise MissingError(Problem(what, str(path), "prepare the data again")) from None


def _row(where: str, mine: Line, theirs: Line, ids: Line, pieces: Pieces) -> Row:
    served = theirs["turns"] if not theirs["error"] else ()
    told = zip(ids["turns"], mine["turns"], served, strict=True) if served else ()
    answers = [
        _answer(ids["ids"][: place["end"]], place["start"], one, other, pieces) for place, one, other in told
    ]
    return Row(where, mine["held_out"], answers, mine["loss"], theirs["error"])


def _answer(ids: Sequence[int], start: int, mine: Line, theirs: Line, pieces: Pieces) -> Answer:
    return Answer(
        turn=mine["turn"],
        tokens=[pieces.around(ids, place) for place in range(start, len(ids))],
        trainer=mine["logprobs"],
        base=mine["base_logprobs"],
        weights=theirs["weights"],
        prompt=theirs["prompt"],
        prefilled=theirs["prefilled"],
        error=theirs["error"],
    )
