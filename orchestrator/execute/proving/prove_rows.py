"""prove_rows: what LLaMA-Factory's loader kept against what was prepared, as a proof."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.atomic_files import sha256_path
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.proofs import rows


def prove_rows(settings: Mapping[str, Any], folder: Path) -> int:
    """Write the proof; 5 when it does not hold and was not accepted.

    Args:
        settings: training_ids, prepare (prepare.json), conversations, out: paths in the folder;
            accept_mismatch.
        folder: the run folder.

    Raises:
        MissingError: a file is not there. StageFailed: one is cut off.
    """
    ids, prepared, talk = (folder / settings[name] for name in ("training_ids", "prepare", "conversations"))
    for path in (ids, prepared, talk):
        if not path.is_file():
            raise MissingError(Problem("is not there", str(path), "run the stage that makes it again"))
    try:
        with ids.open("rb") as lines:
            counts = json.loads(lines.readline())["datasets"]
        told = json.loads(prepared.read_bytes())["datasets"]
        sets = [_loaded(each, counts, prepared.parent) for each in told]
        torn = {each["name"]: each["file"] for each, one in zip(told, sets, strict=True) if not one.whole}
        missing = _missing(ids, talk, torn) if torn else {}
    except (ValueError, KeyError, TypeError) as error:
        what = f"is cut off, or not what the probe writes: {error}"
        raise StageFailed(Problem(what, str(ids), "run the stage again")) from None
    found = (replace(one, missing=missing.get(one.name, ())) for one in sets)
    return leave_proof(rows.prove(found), settings, folder)


def _loaded(each: Mapping[str, Any], counts: Mapping[str, Any], data: Path) -> rows.Loaded:
    seen, file = counts.get(each["name"]), data / f"{each['name']}.jsonl"
    read, kept = (None, None) if seen is None else (int(seen["rows"]), int(seen["kept"]))
    changed = not file.is_file() or sha256_path(file) != each["sha256_out"]
    return rows.Loaded(each["name"], each["part"], int(each["rows"]), read, kept, changed=changed)


def _missing(ids: Path, talk: Path, torn: Mapping[str, str]) -> dict[str, list[str]]:
    """Data set → places of its rows that are among the conversations and not among the trainer's.

    `torn`: data set → its file as people know it. Both files have the same order: one row of each is held.
    """
    missing: dict[str, list[str]] = {name: [] for name in torn}
    kept = chain((row for row in _places(ids) if row[0] in torn), [("", 0)])
    at = next(kept)
    for row in _places(talk):
        if row[0] not in torn:
            continue
        if row == at:
            at = next(kept)
        else:
            missing[row[0]].append(f"{torn[row[0]]}:{row[1]}")
    return missing


def _places(path: Path) -> Iterator[tuple[str, int]]:
    """(data set, number) of every row of a file of lines that begin with them."""
    with path.open("rb") as lines:
        for line in lines:
            if line.startswith(b'{"dataset":'):
                row = orjson.loads(line)
                yield row["dataset"], int(row["row"])
