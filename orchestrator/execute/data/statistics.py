"""What a data file or the data sets of a recipe are like: one pass; tokens from the train environment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from orchestrator.backends import llamafactory
from orchestrator.datasets.audit import Audit, Rules
from orchestrator.datasets.base import USER, Conversation, excerpt
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.near import NearDuplicates
from orchestrator.datasets.statistics import Statistics, conversation_of, tokens_json, without_personal
from orchestrator.datasets.tally import SHOWN_OF_A_KIND
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataFile, Reading, choose_format
from orchestrator.execute.data.encode_rows import Encoder, Say, token_lengths
from orchestrator.execute.host.signals import check

TOLD_EVERY = 2.0
DUPLICATES = ("duplicate rows", "same question, spelled otherwise", "one question, several answers")


@dataclass(frozen=True, slots=True)
class StatisticsSource:
    """A file, and how it is read.

    Attributes:
        path: the file. shown: its name, as people know it.
        format, columns, reading: as a data set's entry says them.
        most: the first so many rows are looked at; None for all.
    """

    path: Path
    shown: str
    format: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    most: int | None = None

    @classmethod
    def of_entry(cls, entry: DatasetEntry, path: Path, most: int | None) -> StatisticsSource:
        """A data set of a recipe."""
        reading = Reading(items=entry.items, sheet=entry.sheet, split=entry.split, fix=entry.fix)
        shown = entry.path or f"{entry.hub_id}/{entry.hub_file}"
        return cls(path, shown, entry.format, entry.columns, reading, most)


@dataclass(frozen=True, slots=True)
class Counting:
    """How tokens are counted.

    Attributes:
        encoder: the template and the tokenizer. tokenizer, template: what they are called.
        cutoff: the longest row that is trained whole; None when nobody said.
    """

    encoder: Encoder
    tokenizer: str
    template: str
    cutoff: int | None = None


def template_only(template: str, tokenizer: Path, cutoff: int | None, hardware: str) -> Counting:
    """Counting without a recipe."""
    settings = llamafactory.probe_yaml("rows", template, "on", "keep")
    return Counting(Encoder(settings, tokenizer, hardware), str(tokenizer), template, cutoff)


def statistics(
    source: StatisticsSource, counting: Counting | None, *, near: bool = False, say: Say
) -> dict[str, Any]:
    """Everything that is known about a file, JSON-able.

    Args:
        source: the file; only read.
        counting: how tokens are counted; None, and characters alone are.
        near: look for questions that are nearly the same, too.
        say: is told how far it is.

    Raises:
        MissingError: the file, the environment or a package is not there. UsageError: no format knows it, or
        not one row can be read. StageFailed: the probe failed. Interrupted: a signal came.
    """
    seen, alike = Statistics(), _Near(NearDuplicates()) if near else None
    with DataFile.open(source.path, source.shown, source.reading) as file:
        name, rows = choose_format(source.format, islice(file.rows(), source.most), source.shown)
        _check_columns(source, name)
        audit = Audit(
            source.shown,
            FORMATS[name],
            source.columns,
            Rules(fix=source.reading.fix, thorough=True),
            place=file.place,
        )
        told = time.monotonic()
        for number, example, _ in audit.examples(rows):
            conversation = conversation_of(example)
            seen.see(conversation)
            if alike:
                alike.see(number, conversation, file.place(number))
            if not audit.rows & 255:
                check()
                if time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    say(f"{audit.rows} rows read")
        notes = list(file.notes)
    if not audit.kept:
        raise UsageError(*audit.problems())
    return {
        "file": source.shown,
        "format": name,
        "rows": audit.rows,
        "rows_whole": audit.kept,
        "answers": seen.answers.total,
        "faults": audit.faults.to_json(),
        "warnings": audit.odd.to_json(),
        "duplicates": {kind: audit.warnings[kind] + audit.fixed.counts[kind] for kind in DUPLICATES},
        "near_duplicates": alike.to_json() if alike else None,
        "notes": notes,
        **seen.to_json(),
        "tokens": _tokens(seen, counting, say) if counting else None,
    }


def _check_columns(source: StatisticsSource, format_name: str) -> None:
    unknown = [column for column in source.columns if column not in FORMATS[format_name].columns]
    if unknown:
        hint = f"its columns: {', '.join(FORMATS[format_name].columns)}"
        raise UsageError(Problem(f"the format {format_name} has no column {', '.join(unknown)}", hint=hint))


def _tokens(seen: Statistics, counting: Counting, say: Say) -> dict[str, Any]:
    header, lengths = token_lengths(counting.encoder, seen.sample.rows, say)
    return {
        "tokenizer": counting.tokenizer,
        "template": counting.template,
        "versions": header["versions"],
        **tokens_json(lengths, seen.sample.seen, counting.cutoff),
    }


@dataclass
class _Near:
    """Near-duplicates of first questions, the first ones kept to be shown."""

    index: NearDuplicates
    first: list[dict[str, str]] = field(default_factory=list)
    places: dict[int, str] = field(default_factory=dict)

    def see(self, number: int, conversation: Conversation, where: str) -> None:
        question = next((one["content"] for one in conversation if one["role"] == USER), "")
        before = self.index.see(number, question)
        if len(self.first) < SHOWN_OF_A_KIND:
            self.places[number] = where
            if before is not None:
                self.first.append(
                    {"where": where, "like": self.places[before], "what": excerpt(without_personal(question))}
                )

    def to_json(self) -> dict[str, Any]:
        return {"rows": self.index.found, "first": self.first}
