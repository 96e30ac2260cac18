"""Reads what the probes and the stage prepare wrote: token ids row by row, so memory stays constant."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

import orjson

from orchestrator.datasets.targets import REJECTED
from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.execute.host.jsonl import Key, key_of, last_line
from orchestrator.proofs.trained import Message, ReadingHeader, RowIds, ServeHeader, TrainedRow, TrainHeader
from orchestrator.results import Sentence
from orchestrator.templates.compare import Answer, ServedAnswer
from orchestrator.templates.pieces import Pieces
from orchestrator.templates.prompt_diff import Training

HELD_OUT = Sentence("rows held out of training", "行留出数据，未参与训练")
_ROW = (b'{"dataset":', b'{"dataset" :')
_READING = ("texts", "tokenizer", "versions", "bos_token_id", "eos_token_id")

HeaderT = TypeVar("HeaderT", TrainHeader, ServeHeader)


class Talk(TypedDict):
    """A line of conversations.jsonl."""

    dataset: str
    row: int
    messages: list[dict[str, str]]


class ServedRow(TypedDict):
    """A line of serving_ids.jsonl."""

    dataset: str
    row: int
    turns: list[ServedAnswer]


class Prepared(TypedDict):
    """A dataset in prepare.json. file: its source, for display."""

    name: str
    part: str
    file: str
    rows: int
    sha256_out: str


@dataclass(frozen=True, slots=True)
class IdsFile(Generic[HeaderT]):
    """A probe's file: the header is its first line, the pieces (id → token) are its last."""

    path: Path
    header: HeaderT
    pieces: Pieces

    @classmethod
    def open(cls, path: Path) -> IdsFile[HeaderT]:
        """Read header and last line."""
        if not path.is_file():
            raise MissingError(
                Problem("the probe left no token ids", where=str(path), hint="run the stage again")
            )
        try:
            with path.open("rb") as lines:
                header = orjson.loads(lines.readline())
            named = orjson.loads(last_line(path))["pieces"]
            pieces = Pieces({int(token): text for token, text in named.items()})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise _cut_off(path) from None
        return cls(path, header, pieces)

    def lines(self) -> Iterator[bytes]:
        """Every row as its line."""
        with self.path.open("rb") as lines:
            yield from (line for line in lines if line.startswith(_ROW))


def open_trained(path: Path) -> IdsFile[TrainHeader]:
    """training_ids.jsonl, as IdsFile.open."""
    return IdsFile.open(path)


def open_served(path: Path) -> IdsFile[ServeHeader]:
    """serving_ids.jsonl, as IdsFile.open."""
    return IdsFile.open(path)


def trained_ids(file: IdsFile[TrainHeader]) -> Iterator[RowIds]:
    """Every row of training_ids.jsonl. StageFailed: one is cut off."""
    for line in file.lines():
        row: RowIds = _parsed(line, file.path)
        yield row


def served_rows(file: IdsFile[ServeHeader]) -> Iterator[ServedRow]:
    """Every row of serving_ids.jsonl. StageFailed: one is cut off."""
    for line in file.lines():
        row: ServedRow = _parsed(line, file.path)
        yield row


def read_header(path: Path) -> ReadingHeader:
    """The first line of a probe's file, with the fixed texts as the tokenizer read them."""
    try:
        with path.open(encoding="utf-8") as lines:
            header: ReadingHeader = json.loads(lines.readline())
        if all(name in header for name in _READING):
            return header
    except FileNotFoundError:
        raise MissingError(Problem("the probe left no token ids", str(path), "run the stage again")) from None
    except (ValueError, TypeError):
        pass
    raise StageFailed(Problem("the token ids have no header", str(path), "run the stage again"))


def training_of(header: TrainHeader) -> Training:
    """The training settings in the header of training_ids.jsonl."""
    return Training(header["template"], header["thinking"], header["mask_history"], header["bos_token_id"])


def answers_in_step(
    trained: IdsFile[TrainHeader], served: IdsFile[ServeHeader]
) -> Iterator[tuple[RowIds, list[Answer]]]:
    """Each trained row with its (trained answer, served answer) pairs; none for a row that is not covered.

    Both files have the rows in the same order; the trainer may have dropped some.
    """
    serving = served_rows(served)
    for row in trained_ids(trained):
        if row["uncovered"]:
            yield row, []
            continue
        location = (row["dataset"], row["row"])
        found = next((one for one in serving if (one["dataset"], one["row"]) == location), None)
        answers = {turn["turn"]: turn for turn in found["turns"]} if found else {}
        lacking = [str(turn["turn"]) for turn in row["turns"] if turn["turn"] not in answers]
        if lacking:
            what = f"{row['dataset']} row {row['row']}: no served ids for answers {', '.join(lacking)}"
            raise StageFailed(Problem(what, str(served.path), "give both probes the same conversations"))
        pairs: list[Answer] = [
            (
                {
                    "turn": turn["turn"],
                    "cut": turn["cut"],
                    "context": row["ids"][: turn["start"]],
                    "labels": row["ids"][turn["start"] : turn["end"]],
                },
                answers[turn["turn"]],
            )
            for turn in row["turns"]
        ]
        yield row, pairs


def prepared_sets(path: Path) -> list[Prepared]:
    """The datasets of prepare.json."""
    try:
        sets: list[Prepared] = json.loads(path.read_bytes())["datasets"]
        _ = [(each["name"], each["file"]) for each in sets]
    except (OSError, ValueError, KeyError, TypeError):
        what = "is missing, or not what the stage prepare writes"
        raise MissingError(Problem(what, str(path), "prepare the data again")) from None
    return sets


def sources_of(path: Path) -> dict[str, str]:
    """Dataset, with the worse answers of pairs as one of its own → its source file, from prepare.json."""
    return {each["name"] + suffix: each["file"] for each in prepared_sets(path) for suffix in ("", REJECTED)}


def location(key: Key, sources: Mapping[str, str]) -> str:
    """The place of a row in its source file; of a dataset without one, in the dataset."""
    name, number = key
    return f"{sources.get(name, name)}:{number}"


@dataclass(frozen=True, slots=True)
class TrainedRows:
    """The rows of training_ids.jsonl, each with its location in its source.

    Attributes:
        sources: dataset of the recipe → its file; others are not trained.
        conversations: conversations.jsonl if the messages are needed, else None.
        passed_over: rows that were read but are not trained, by reason.
    """

    file: IdsFile[TrainHeader]
    sources: Mapping[str, str]
    conversations: Path | None = None
    passed_over: Counter[str] = field(default_factory=Counter)

    @classmethod
    def open(cls, ids: Path, prepared: Path, conversations: Path | None = None) -> TrainedRows:
        """Read header, pieces and the names of the sources."""
        if conversations and not conversations.is_file():
            raise MissingError(Problem("is missing", str(conversations), "prepare the data again"))
        file = open_trained(ids)
        if not {"template", "thinking", "mask_history", "cutoff_len"} <= file.header.keys():
            raise _cut_off(ids)
        return cls(file, sources_of(prepared), conversations)

    @property
    def header(self) -> TrainHeader:
        """The first line of training_ids.jsonl."""
        return self.file.header

    @property
    def pieces(self) -> Mapping[int, str]:
        """Id → token."""
        return self.file.pieces.tokens

    def __iter__(self) -> Iterator[TrainedRow]:
        """Every trained row, in the order of the file."""
        talks = _talks(self.conversations) if self.conversations else None
        for row in trained_ids(self.file):
            source = self.sources.get(row["dataset"])
            if source is None:
                continue
            if row.get("held_out"):
                self.passed_over[HELD_OUT] += 1
                continue
            messages = _messages(key_of(row), talks, self.file.path) if talks else []
            yield TrainedRow(f"{source}:{row['row']}", row["ids"], row["turns"], row["lost"], messages)


def _messages(key: Key, talks: Iterator[Talk], path: Path) -> Sequence[Message]:
    """The messages of a row; both files have the same order, and the trainer may have dropped rows."""
    for talk in talks:
        if (talk["dataset"], talk["row"]) == key:
            return talk["messages"]
    what = f"{key[0]} row {key[1]} is not in conversations.jsonl"
    raise StageFailed(Problem(what, str(path), "prepare and prove the data again"))


def _talks(path: Path) -> Iterator[Talk]:
    with path.open("rb") as lines:
        for line in lines:
            talk: Talk = _parsed(line, path)
            yield talk


def _parsed(line: bytes, path: Path) -> Any:
    try:
        row = orjson.loads(line)
        _ = row["dataset"], row["row"]
    except (ValueError, KeyError, TypeError):
        raise _cut_off(path) from None
    return row


def _cut_off(path: Path) -> StageFailed:
    return StageFailed(Problem("is cut off, or not what the probe writes", str(path), "run the stage again"))
