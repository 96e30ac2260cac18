"""Every row of what is to be added: its shape, whether all can be trained, and what to ask afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.datasets.added import TaughtCase, cases_of
from orchestrator.datasets.audit import Audit
from orchestrator.datasets.base import SFT, Conversation, RowProblem
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.bring_data import Location
from orchestrator.execute.data.data_file import DataFile, choose_format
from orchestrator.execute.data.lint_dataset_info import names_data_sets
from orchestrator.execute.data.manner import Manner
from orchestrator.execute.host.signals import check
from orchestrator.execute.models.hub.protocol import Progress

# Columns of pictures and sounds, which a text model cannot be taught.
MEDIA = ("image", "images", "audio", "audios", "video", "videos")
SHOWN = 3
# The questions of a recipe are taken from so many first rows.
FIRST = 50
TOLD_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What is in the rows.

    Attributes:
        format, sniffed: how they are read, and whether the first whole row said so.
        columns: what the format's parts are called in this file, where otherwise than usual.
        audit, notes, sha256: what was found, how the file was understood, and the hash of it.
        cases: what the tuned model can be asked.
    """

    format: str
    sniffed: bool
    columns: Mapping[str, str]
    audit: Audit
    notes: tuple[str, ...]
    sha256: str
    cases: tuple[TaughtCase, ...]

    def to_json(self) -> dict[str, Any]:
        """As `conch data add --json` says it."""
        return {
            "format": self.format,
            "sniffed": self.sniffed,
            "columns": dict(self.columns),
            **self.audit.counted(),
            "notes": list(self.notes),
            "sha256": self.sha256,
            "cases": len(self.cases),
        }


def look_through(place: Location, manner: Manner, progress: Progress) -> ScanResult:
    """Read every row as a run would.

    Raises:
        UsageError: rows cannot be trained, and the manner does not say what to do about them; or they hold
            pictures; or they are not conversations.
        MissingError: the file is not there, or empty.
    """
    if names_data_sets(place.path):
        what = "it is a list of data sets, not one"
        raise UsageError(
            Problem(what, place.shown, "add the file that it names; conch data audit judges the list")
        )
    with DataFile.open(place.path, place.shown, manner.reading) as source:
        name, rows = choose_format(manner.format, source.rows(), place.shown, manner.columns)
        _check_format(name, manner.columns, place.shown)
        pictures = _Pictures()
        audit = Audit(place.shown, FORMATS[name], manner.columns, rules=manner.rules, place=source.place)
        first: list[Conversation] = []
        told = time.monotonic()
        for _, conversation in audit.conversations(pictures.seen(rows)):
            if len(first) < FIRST:
                first.append(conversation)
            if not audit.rows & 255:
                check()
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                progress(f"{audit.rows} rows read")
        problems = [*pictures.problems(source), *audit.problems(fix="--fix", drop="--drop-bad")]
        if problems:
            raise UsageError(*problems)
        notes, sha256 = tuple(source.notes), source.sha256()
    usual = FORMATS[name].columns.items()
    # What was named is said again: it may be what keeps another name from being meant.
    named = {part: column for part, column in audit.columns.items() if (part, column) not in usual}
    named |= manner.columns
    return ScanResult(name, not manner.format, named, audit, notes, sha256, cases_of(first))


def _check_format(name: str, columns: Mapping[str, str], shown: str) -> None:
    row_format = FORMATS[name]
    unknown = [column for column in columns if column not in row_format.columns]
    if unknown:
        hint = f"its columns: {', '.join(row_format.columns)}"
        raise UsageError(Problem(f"the format {name} has no column {', '.join(unknown)}", hint=hint))
    if row_format.purpose != SFT:
        what = f"it is read as {name}: rows for {row_format.purpose}, and Conch trains conversations"
        hint = f"conch data convert {shown} --out FILE.jsonl makes it a file for LLaMA-Factory's own stage"
        raise UsageError(Problem(what, shown, hint))


class _Pictures:
    """Notes which rows hold pictures or sounds."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[tuple[int, str]] = []

    def seen(self, rows: Iterator[Numbered]) -> Iterator[Numbered]:
        """The rows, looked at."""
        for number, row in rows:
            column = "" if isinstance(row, RowProblem) else next((key for key in MEDIA if row.get(key)), "")
            if column:
                self.count += 1
                if len(self.first) < SHOWN:
                    self.first.append((number, column))
            yield number, row

    def problems(self, source: DataFile) -> list[Problem]:
        """The first of them, and how many."""
        if not self.count:
            return []
        what = "the row's text belongs to a picture or a sound, which a text model cannot see"
        shown = [Problem(f'{what}: "{column}"', source.place(number)) for number, column in self.first]
        hint = "delete the rows, or the column where the text makes sense without it"
        return [*shown, Problem(f"{self.count} rows with pictures or sounds", hint=hint)]
