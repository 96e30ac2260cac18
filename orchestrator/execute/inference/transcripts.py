"""answers.jsonl: one transcript a line, in the order of the questions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.results import Transcript, Turn

_TUPLES = ("token_ids", "streamed_token_ids", "tool_calls", "streamed_tool_calls")


def line_of(transcript: Transcript) -> str:
    """A transcript as one line of JSON."""
    return json.dumps(asdict(transcript), ensure_ascii=False) + "\n"


def transcript_of(line: str) -> Transcript:
    """What line_of wrote. Raises ValueError, KeyError or TypeError for anything else."""
    row = json.loads(line)
    return Transcript(row["case"], row["purpose"], tuple(_turn(turn) for turn in row["turns"]))


def read_answers(path: Path) -> list[Transcript]:
    """Every transcript of an answers.jsonl.

    Raises:
        MissingError: there is no such file.
        StageFailed: a line of it is no transcript.
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


def _turn(row: Mapping[str, Any]) -> Turn:
    tuples = {name: tuple(row.get(name, ())) for name in _TUPLES}
    return Turn(**{**row, "messages": tuple(row["messages"]), **tuples})
