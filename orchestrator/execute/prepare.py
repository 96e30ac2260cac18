"""The task `prepare`: data files become what LLaMA-Factory reads, or a list of what is wrong with their rows.

Written under data.partial-0/: NAME.jsonl for each data set, conch_generated.jsonl, conch_held_out.jsonl
(paraphrases, each with the answer of the trained row that it asks for otherwise), dataset_info.json,
conversations.jsonl ({"dataset", "row", "messages"} of every row, which the proofs compare) and prepare.json
(rows in and kept, turns, warnings, hashes in and out). Streaming: memory does not grow with the rows. The
input is only read; text arrives byte for byte.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import IO, Any

import orjson

from orchestrator.datasets import ADAPTERS
from orchestrator.datasets.audit import Audit
from orchestrator.datasets.base import Conversation
from orchestrator.datasets.dataset_info import dataset_info_text
from orchestrator.errors import MissingError, Problem, StageFailed, UsageError
from orchestrator.execute.data_file import DataFile, choose_adapter
from orchestrator.execute.files import remove
from orchestrator.execute.held_out import HeldOut
from orchestrator.stage import partial

GENERATED = "conch_generated"
HELD_OUT = "conch_held_out"


def prepare(settings: Mapping[str, Any], folder: Path) -> int:
    """Convert and audit.

    Args:
        settings: datasets: [{name, adapter ("" to sniff), path, columns}]; max_samples: the first rows of
            each that are taken, None for all; generated: {seed, count, thoughts}, made-up conversations
            for the proofs; held_out: files of paraphrases.
        folder: the run folder.

    Raises:
        MissingError: a file is not there or empty.
        UsageError: rows would be dropped or trained wrongly: the first of each kind, and how many.
        StageFailed: the disk is full.
    """
    out = folder / partial("data")
    try:
        remove(out)
        out.mkdir(parents=True)
        report = _write(settings, folder, out)
        (out / "prepare.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise _explained(error, out) from error
    return 0


def _write(settings: Mapping[str, Any], folder: Path, out: Path) -> dict[str, Any]:
    generated = _generated(settings.get("generated") or {})
    names = [*(each["name"] for each in settings["datasets"]), GENERATED, HELD_OUT]
    (out / "dataset_info.json").write_text(dataset_info_text(names), encoding="utf-8")
    held_out = HeldOut.read([folder / path for path in settings.get("held_out", ())])
    problems: list[Problem] = []
    datasets = []
    with (out / "conversations.jsonl").open("wb") as together:
        for dataset in settings["datasets"]:
            audit, report = _convert(
                dataset, settings.get("max_samples"), folder, out, together, held_out=held_out
            )
            problems += audit.problems()
            datasets.append(report)
        for name, made in ((GENERATED, generated), (HELD_OUT, held_out.rows)):
            with (out / f"{name}.jsonl").open("wb") as alone:
                for row, conversation in enumerate(made, start=1):
                    _put(alone, together, name, row, conversation)
    if problems:
        raise UsageError(*problems)
    return {"datasets": datasets, "generated": len(generated), "held_out": len(held_out.rows)}


def _convert(
    dataset: Mapping[str, Any],
    most: int | None,
    folder: Path,
    out: Path,
    together: IO[bytes],
    *,
    held_out: HeldOut,
) -> tuple[Audit, dict[str, Any]]:
    """One data set into NAME.jsonl; what its audit found, and its part of prepare.json."""
    path = folder / dataset["path"]
    shown = _shown(path, folder)
    written = hashlib.sha256()
    with DataFile.open(path, shown) as source, (out / f"{dataset['name']}.jsonl").open("wb") as alone:
        name, rows = choose_adapter(dataset.get("adapter") or "", islice(source.rows(), most), shown)
        audit = Audit(shown, ADAPTERS[name], dataset.get("columns") or {})
        for line, conversation in audit.conversations(rows):
            written.update(_put(alone, together, dataset["name"], line, conversation))
            held_out.see(conversation)
        sha256_in = source.sha256()
    report = {
        "name": dataset["name"],
        "adapter": name,
        **audit.counted(),
        "sha256_in": sha256_in,
        "sha256_out": "sha256:" + written.hexdigest(),
    }
    return audit, report


def _put(alone: IO[bytes], together: IO[bytes], dataset: str, row: int, conversation: Conversation) -> bytes:
    """Write a conversation to its own file and to the one that the proofs read; return its own line."""
    line = orjson.dumps({"messages": conversation}) + b"\n"
    alone.write(line)
    together.write(orjson.dumps({"dataset": dataset, "row": row, "messages": conversation}) + b"\n")
    return line


def _generated(wanted: Mapping[str, Any]) -> list[Conversation]:
    if not wanted.get("count"):
        return []
    from orchestrator.templates.generated import generated_conversations

    return generated_conversations(wanted["seed"], wanted["count"], wanted["thoughts"])


def _shown(path: Path, folder: Path) -> str:
    """The file as people know it: relative to the project or the run, where it lies in one of them."""
    for root in (os.environ.get("CONCH_PROJECT"), folder):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)


def _explained(error: OSError, out: Path) -> StageFailed | MissingError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        mend = f"free space on the disk of {out.parent}, then type the same command again"
        return StageFailed(Problem(f"disk full: {error.strerror}", str(out), mend))
    return MissingError(Problem(f"{error.strerror}: {error.filename or out}", str(out)))
