"""The proofs that need only files of the run: each task reads facts, calls its pure proof, and writes it.

Every task returns 5 if its proof does not hold and is not accepted. Raises MissingError if a file does not
exist, StageFailed if one is cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from orchestrator.datasets.targets import REJECTED
from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.atomic_files import read_json, read_text, sha256_file, sha256_path
from orchestrator.execute.host.jsonl import Key, key_of
from orchestrator.execute.proving.probe_files import (
    IdsFile,
    Prepared,
    TrainedRows,
    location,
    open_trained,
    prepared_sets,
    read_header,
    trained_ids,
)
from orchestrator.execute.proving.proof_file import leave_proof
from orchestrator.execute.run_store.record_hashes import survey
from orchestrator.plan.stages.prove_data import (
    ProveRowsSettings,
    ProveTokenizerSettings,
    ProveTruncationSettings,
)
from orchestrator.plan.stages.prove_export import ProveHashesSettings, ProveMergeSettings, ProveStopSettings
from orchestrator.proofs import hashes, merge, rows, stop, tokenizer, truncation
from orchestrator.proofs.trained import RowCounts, TrainHeader
from orchestrator.recipe.sampling import generation_of, sampling_of


def prove_rows(settings: ProveRowsSettings, folder: Path) -> int:
    """What LLaMA-Factory's loader kept against what was prepared."""
    ids, prepared = folder / settings.training_ids, folder / settings.prepare
    conversations = folder / settings.conversations
    file = open_trained(ids)
    sets = prepared_sets(prepared)
    if not conversations.is_file():
        raise MissingError(Problem("is missing", str(conversations), "prepare the data again"))
    try:
        counts = file.header["datasets"]
        loaded = [_loaded(each, counts.get(each["name"]), prepared.parent) for each in sets]
        torn = {each["name"]: each["file"] for each, one in zip(sets, loaded, strict=True) if not one.whole}
        missing = _missing(ids, conversations, torn) if torn else {}
        sources = {each["name"]: each["file"] for each in sets}
        swapped = [location(key, sources) for key in _swapped(file, conversations)]
    except (ValueError, KeyError, TypeError) as error:
        what = f"is cut off, or not what the probe writes: {error}"
        raise StageFailed(Problem(what, str(ids), "run the stage again")) from None
    found = (replace(one, missing=missing.get(one.name, ())) for one in loaded)
    return leave_proof(rows.prove(found, swapped), settings, folder)


def prove_tokenizer(settings: ProveTokenizerSettings, folder: Path) -> int:
    """Whether both environments read the same texts as the same tokens."""
    train, serve = (read_header(folder / path) for path in (settings.training_ids, settings.serving_ids))
    return leave_proof(tokenizer.prove(train, serve), settings, folder)


def prove_truncation(settings: ProveTruncationSettings, folder: Path) -> int:
    """What cutoff_len removed, and what training does with thoughts."""
    paths = (settings.training_ids, settings.prepare, settings.conversations)
    trained = TrainedRows.open(*(folder / path for path in paths))
    proof = truncation.prove(trained, trained.header, settings.limit, trained.passed_over)
    return leave_proof(proof, settings, folder)


def prove_hashes(settings: ProveHashesSettings, folder: Path) -> int:
    """Whether the files that the model was trained from are unchanged, and the export fits them.

    Everything is hashed again, the base's weights too; sizes, times and manifests are not trusted.
    """
    path = folder / settings.hashes
    hint = "train again: `conch run`"
    try:
        then = hashes.ModelHashes(**_facts(path, "no model hashes were recorded", hint))
        _ = [dict(each) for each in (then.base, then.fetched, then.files, then.texts, then.generation)]
    except (TypeError, ValueError):
        raise _unreadable(path, hint) from None
    if settings.sampling is not None:
        chosen = sampling_of(then.generation, settings.sampling)
        then = replace(then, generation=generation_of(then.generation, chosen))
    exported = _exported(settings.export, folder) if settings.export else None
    return leave_proof(hashes.prove(then, survey(settings, folder), exported), settings, folder)


def prove_merge(settings: ProveMergeSettings, folder: Path) -> int:
    """What the merge probe measured."""
    facts = _facts(folder / settings.facts, "the merge probe left no facts", "run the stage again")
    return leave_proof(merge.prove(facts), settings, folder)


def prove_stop(settings: ProveStopSettings, folder: Path) -> int:
    """Whether the server stops where trained answers end."""
    trained = TrainedRows.open(folder / settings.training_ids, folder / settings.prepare)
    path = folder / settings.stop_ids
    facts = _facts(path, "the probe left no stop ids", "run the stage again")
    base_eos = _eos_token(folder / settings.base / "tokenizer_config.json")
    try:
        served = stop.Served.of(facts, base_eos, trained.header.get("eos_token_id"))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _unreadable(path, "run the stage again") from None
    return leave_proof(stop.prove(trained, trained.pieces, served, trained.passed_over), settings, folder)


def _facts(path: Path, missing: str, hint: str) -> Any:
    """The JSON object that a probe or an earlier task left."""
    try:
        values = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise MissingError(Problem(missing, str(path), hint)) from None
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        raise _unreadable(path, hint)
    return values


def _unreadable(path: Path, hint: str) -> StageFailed:
    return StageFailed(Problem("cannot be read: it is cut off, or of another version", str(path), hint))


def _loaded(each: Prepared, counts: RowCounts | None, data: Path) -> rows.Loaded:
    file = data / f"{each['name']}.jsonl"
    read, kept = (None, None) if counts is None else (counts["rows"], counts["kept"])
    changed = not file.is_file() or sha256_path(file) != each["sha256_out"]
    return rows.Loaded(each["name"], each["part"], each["rows"], read, kept, changed=changed)


def _missing(ids: Path, conversations: Path, torn: Mapping[str, str]) -> dict[str, list[str]]:
    """Dataset → locations of its rows that are among the conversations but not among the trainer's.

    Both files have the same order, so one row of each is held. `torn`: dataset → its source file.
    """
    missing: dict[str, list[str]] = {name: [] for name in torn}
    trained = chain((row for row in _keys(ids) if row[0] in torn), [("", 0)])
    at = next(trained)
    for row in _keys(conversations):
        if row[0] not in torn:
            continue
        if row == at:
            at = next(trained)
        else:
            missing[row[0]].append(f"{torn[row[0]]}:{row[1]}")
    return missing


def _swapped(file: IdsFile[TrainHeader], conversations: Path) -> Iterator[Key]:
    """The rows of pairs and of rated answers that the trainer has the wrong way round.

    Both files have the same order, so one row of each is held.
    """
    said = (orjson.loads(line) for line in _lines(conversations))
    better: tuple[Key, str, str] | None = None
    for row in trained_ids(file):
        rated = "liked" in row or row["dataset"].endswith(REJECTED)
        if better and not rated:
            return  # two answers to two prompts: conversations, or what is only compared
        talk = next((one for one in said if key_of(one) == key_of(row)), None)
        if talk is None:
            return
        if "liked" in row and row["liked"] != talk.get("liked", row["liked"]):
            yield key_of(row)
        answer = talk["messages"][-1]["content"].strip()
        labels = file.pieces.text(row["ids"][row["turns"][0]["start"] :]) if row["turns"] else ""
        if better and row["dataset"].endswith(REJECTED):
            _, good, trained = better
            right = good in trained and answer in labels
            if good and answer and not right and answer in trained and good in labels:
                yield better[0]
        better = None if rated else (key_of(row), answer, labels)


def _lines(path: Path) -> Iterator[bytes]:
    """Every row of a JSON lines file."""
    with path.open("rb") as lines:
        yield from (line for line in lines if line.startswith(b'{"dataset":'))


def _keys(path: Path) -> Iterator[tuple[str, int]]:
    """(dataset, number) of every row of a JSON lines file."""
    for line in _lines(path):
        row = orjson.loads(line)
        yield row["dataset"], int(row["row"])


def _exported(name: str, folder: Path) -> hashes.Exported:
    export = folder / name
    if not export.is_dir():
        raise MissingError(Problem("there is no export", str(export), "export it: `conch run`"))
    template = export / hashes.TEMPLATE
    return hashes.Exported(
        folder=name,
        template=read_text(template),
        template_hash=sha256_file(template) if template.is_file() else "",
        generation=read_json(export / hashes.GENERATION),
    )


def _eos_token(path: Path) -> str:
    """The eos token that a tokenizer_config.json names; "" if it names none or cannot be read."""
    try:
        token = json.loads(path.read_bytes()).get("eos_token")
        return str(token["content"] if isinstance(token, dict) else token or "")
    except (OSError, ValueError, KeyError, AttributeError):
        return ""
