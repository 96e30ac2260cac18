"""Reads proofs/…/training_ids.jsonl row by row: the rows that are trained, each with its place in its source.

Memory does not grow with the rows. Left out, and counted: rows that are made up or held out.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.jsonl import last_line
from orchestrator.proofs.trained import TrainedRow

HELD_OUT = "rows held out of training"


@dataclass(frozen=True, slots=True)
class TrainedRows:
    """The probe's file and what says where its rows come from.

    Attributes:
        path: training_ids.jsonl. header: its first line. pieces: id → token, its last line.
        sources: data set of the recipe → its file as people know it; other data sets are not trained.
        conversations: conversations.jsonl where the messages are wanted, else None.
        passed_over: rows that were read but are not trained, by reason.
    """

    path: Path
    header: Mapping[str, Any]
    pieces: Mapping[int, str]
    sources: Mapping[str, str]
    conversations: Path | None = None
    passed_over: Counter[str] = field(default_factory=Counter)

    @classmethod
    def open(cls, ids: Path, prepared: Path, conversations: Path | None = None) -> TrainedRows:
        """Read header, pieces and the names of the sources.

        Args:
            ids: training_ids.jsonl.
            prepared: data/prepare.json.
            conversations: data/conversations.jsonl, when the rows shall bring their messages.

        Raises:
            MissingError: a file is not there. StageFailed: one is cut off.
        """
        for path in (ids, prepared, *([conversations] if conversations else [])):
            if not path.is_file():
                raise MissingError(Problem("is not there", str(path), "run the stage that makes it again"))
        try:
            with ids.open("rb") as lines:
                header = json.loads(lines.readline())
            pieces = json.loads(last_line(ids)[:-1])["pieces"]
            sources = {each["name"]: each["file"] for each in json.loads(prepared.read_bytes())["datasets"]}
            tokens = {int(token): text for token, text in pieces.items()}
            _ = header["template"], header["thinking"], header["mask_history"], int(header["cutoff_len"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _cut_off(ids) from None
        return cls(ids, header, tokens, sources, conversations)

    def __iter__(self) -> Iterator[TrainedRow]:
        """Every trained row, in the file's order."""
        messages = _messages(self.conversations) if self.conversations else None
        with self.path.open("rb") as lines:
            for line in lines:
                if not line.startswith(b'{"dataset"'):
                    continue
                row = _parsed(line, self.path)
                source = self.sources.get(row["dataset"])
                if source is None:
                    continue
                if row.get("held_out"):
                    self.passed_over[HELD_OUT] += 1
                    continue
                talk = _of(row, messages, self.path) if messages else []
                yield TrainedRow(f"{source}:{row['row']}", row["ids"], row["turns"], row["lost"], talk)


def _of(row: Mapping[str, Any], conversations: Iterator[dict[str, Any]], path: Path) -> list[dict[str, str]]:
    """The messages of a row; both files are in the same order, and the trainer may have dropped rows."""
    for each in conversations:
        if (each["dataset"], each["row"]) == (row["dataset"], row["row"]):
            messages: list[dict[str, str]] = each["messages"]
            return messages
    what = f"{row['dataset']} row {row['row']} is not in conversations.jsonl"
    raise StageFailed(Problem(what, str(path), "prepare and prove the data again"))


def _messages(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            yield _parsed(line, path)


def _parsed(line: bytes, path: Path) -> dict[str, Any]:
    try:
        row: dict[str, Any] = orjson.loads(line)
        _ = row["dataset"], row["row"]
    except (ValueError, KeyError, TypeError):
        raise _cut_off(path) from None
    return row


def _cut_off(path: Path) -> StageFailed:
    return StageFailed(Problem("is cut off, or not what the probe writes", str(path), "run the stage again"))
