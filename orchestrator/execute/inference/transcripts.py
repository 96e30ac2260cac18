"""answers.jsonl: one transcript a line, in the order of the questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.results import Transcript, Turn


def line_of(transcript: Transcript) -> str:
    """A transcript as one line of JSON."""
    return json.dumps(asdict(transcript), ensure_ascii=False) + "\n"


def transcript_of(line: str) -> Transcript:
    """The transcript that line_of wrote. Raises ValueError, KeyError or TypeError for anything else."""
    row = json.loads(line)
    return Transcript(row["case"], row["purpose"], tuple(_turn(**turn) for turn in row["turns"]))


def read_answers(path: Path) -> list[Transcript]:
    """Every transcript of an answers.jsonl.

    Raises:
        MissingError: the file does not exist.
        StageFailed: a line is not a transcript.
    """
    transcripts = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                transcripts.append(_read(line, f"{path}:{number}"))
    except FileNotFoundError:
        raise MissingError(Problem("no answers to judge", where=str(path), hint="ask again")) from None
    return transcripts


def _read(line: str, where: str) -> Transcript:
    try:
        return transcript_of(line)
    except (ValueError, KeyError, TypeError) as error:
        raise StageFailed(Problem(f"not an answer: {error!r}", where=where, hint="ask again")) from error


def _turn(messages: Sequence[Mapping[str, str]], **values: object) -> Turn:
    tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    make: Callable[..., Turn] = Turn
    return make(messages=tuple(messages), **tuples)
