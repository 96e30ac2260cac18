"""The corpus of small, broken and odd data files, and what Conch says of each.

corpus/ holds the files; corpus.yaml says of each why it is there, how it is read, and the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.datasets.audit import Audit, Rules
from orchestrator.datasets.base import Example
from orchestrator.datasets.formats import FORMATS
from orchestrator.errors import ConchError
from orchestrator.execute.data.data_file import DataFile, Reading, choose_format

CORPUS = Path(__file__).with_name("corpus")
TABLE = Path(__file__).with_name("corpus.yaml")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the table."""

    file: str
    why: str
    verdict: Mapping[str, Any]
    reading: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return " ".join([self.file, *map(str, self.reading.values())])


def entries() -> list[Entry]:
    """The whole table."""
    return [Entry(**each) for each in yaml.safe_load(TABLE.read_text(encoding="utf-8"))]


def read(entry: Entry, *, fix: bool) -> tuple[str, Audit, list[tuple[int, Example]]]:
    """The file through the pass: strictly, or with what can be repaired and the rest left out."""
    path, reading = CORPUS / entry.file, Reading(**entry.reading, fix=fix)
    with DataFile.open(path, entry.file, reading) as file:
        name, rows = choose_format("", file.rows(), entry.file, entry.columns)
        rules = Rules(fix=fix, drop_bad=fix, thorough=True)
        audit = Audit(entry.file, FORMATS[name], entry.columns, rules, locate=file.locate)
        kept = [(number, example) for number, example, _ in audit.examples(rows)]
    return name, audit, kept


def judged(entry: Entry) -> dict[str, Any]:
    """What Conch says of a file: the counts of its strict reading, and the rows that are kept with --fix."""
    try:
        name, audit, _ = read(entry, fix=False)
        verdict: dict[str, Any] = {"format": name, "rows": audit.rows, "kept": audit.kept}
        verdict |= {"faults": dict(audit.faults.counts), "warnings": dict(audit.warnings.counts)}
        if not audit.rows:
            return {"refused": audit.problems()[0].what}
    except ConchError as error:
        return {"refused": error.problems[0].what}
    _, fixed, _ = read(entry, fix=True)
    if fixed.problems():
        verdict["refused_with_fix"] = fixed.problems()[0].what
    else:
        verdict |= {"kept_with_fix": fixed.kept, "repairs": dict(fixed.fixed.counts)}
    return {key: value for key, value in verdict.items() if value != {}}
