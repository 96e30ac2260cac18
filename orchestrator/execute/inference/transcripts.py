"""answers.jsonl: one transcript per line, in the order of the questions."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from orchestrator.errors import MissingError, Problem, StageFailed
from orchestrator.results import Transcript


def line_of(transcript: Transcript) -> str:
    """A transcript as one line of JSON."""
    return json.dumps(asdict(transcript), ensure_ascii=False) + "\n"


@cache
def _adapter() -> TypeAdapter[Transcript]:
    return TypeAdapter(Transcript)


def transcript_of(line: str) -> Transcript:
    """The transcript that line_of wrote. Raises ValueError for anything else."""
    return _adapter().validate_json(line)


def read_answers(path: Path) -> list[Transcript]:
    """Every transcript of an answers.jsonl."""
    transcripts = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    transcripts.append(transcript_of(line))
                except ValueError:
                    problem = Problem("this line is not an answer", f"{path}:{number}", "ask again")
                    raise StageFailed(problem) from None
    except FileNotFoundError:
        raise MissingError(Problem("no answers to judge", where=str(path), hint="ask again")) from None
    return transcripts
