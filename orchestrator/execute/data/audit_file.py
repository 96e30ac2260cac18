"""Look through a data file before anything is trained on it: which shape, how many rows, what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.datasets.audit import Audit, Rules
from orchestrator.datasets.formats import FORMATS
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataFile, Reading, choose_format

TOLD_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What a data file holds.

    Attributes:
        format: which shape it was read as; sniffed: whether its first whole row decided.
        audit: rows, turns, faults and warnings.
        notes: how the file was understood. sha256: of the whole of it.
    """

    format: str
    sniffed: bool
    audit: Audit
    notes: tuple[str, ...]
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """The `data` of `conch data audit --json`."""
        return {
            "format": self.format,
            "sniffed": self.sniffed,
            "columns": dict(self.audit.columns),
            "notes": list(self.notes),
            **self.audit.counted(),
            "faults": self.audit.faults.to_json(),
            "warnings": self.audit.odd.to_json(),
            "sha256": self.sha256,
        }


def audit_file(
    path: Path,
    *,
    format_name: str = "",
    columns: Mapping[str, str] | None = None,
    reading: Reading | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> AuditResult:
    """Read every row as `prepare` does, look closer at each, and keep none.

    Args:
        path: the file; only read.
        format_name: a name of FORMATS; "" when the first whole row decides.
        columns: the format's column → what it is called in this file.
        reading: which part of the file is read, and how.
        progress: told how far it is, every two seconds.

    Raises:
        MissingError: the file is not there, or empty.
        UsageError: no such format or column, or no format knows the first row.
    """
    shown, given, told = str(path), columns or {}, time.monotonic()
    with DataFile.open(path, shown, reading or Reading()) as source:
        name, rows = choose_format(format_name, source.rows(), shown, given)
        unknown = [column for column in given if column not in FORMATS[name].columns]
        if unknown:
            hint = f"its columns: {', '.join(FORMATS[name].columns)}"
            raise UsageError(Problem(f"the format {name} has no column {', '.join(unknown)}", hint=hint))
        audit = Audit(shown, FORMATS[name], given, Rules(thorough=True), place=source.place)
        for _ in audit.examples(rows):
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                progress(f"{audit.rows} rows read")
        return AuditResult(name, not format_name, audit, tuple(source.notes), source.sha256())
