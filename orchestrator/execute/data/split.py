"""A data file of any shape becomes parts of its own, as LLaMA-Factory reads them: `conch data split`.

The input is only read. Each part appears under its name when it is whole; dataset_info.json, which names
them, comes last. Where a row has a fault nothing is written, unless faults are to be repaired or left out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.datasets.audit import Audit
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.split import PARTS, SplitWish, part_name
from orchestrator.datasets.targets import entry_of
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataFile, choose_format
from orchestrator.execute.data.dealt_rows import DealtRows
from orchestrator.execute.data.manner import Manner
from orchestrator.execute.data.rejects import DroppedRows
from orchestrator.execute.host.atomic_files import write_error
from orchestrator.execute.host.output_file import OutputFile
from orchestrator.execute.host.signals import check
from orchestrator.execute.processes import process

TOLD_EVERY = 2.0
INFO = "dataset_info.json"


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """What is to be made of a file.

    Attributes:
        folder: where the parts are written. force: replace what is there.
        split: the parts.
        manner: how rows are read, and what is done about bad ones.
    """

    folder: Path
    split: SplitWish
    force: bool = False
    manner: Manner = field(default_factory=Manner)


@dataclass(frozen=True, slots=True)
class Split:
    """What came of it.

    Attributes:
        format: how the rows were read. audit: what was found.
        problems: why nothing was written; empty when all is well.
        parts: {"name", "part", "file", "rows", "sha256"} of each.
        ledger: the file of rows that were left out, None when none were.
    """

    format: str
    audit: Audit
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    parts: tuple[Mapping[str, Any], ...] = ()
    ledger: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """As `conch data split --json` says it."""
        return {
            "format": self.format,
            "notes": list(self.notes),
            **self.audit.counted(),
            "faults": dict(self.audit.counts),
            "parts": [dict(part) for part in self.parts],
            "ledger": str(self.ledger) if self.ledger else None,
        }


def split(source: Path, wish: SplitOptions, progress: Callable[[str], None] = lambda _: None) -> Split:
    """Split a file.

    Args:
        source: a data file, a folder of them, or what Reading can name in one.
        wish: what is to be made of it.
        progress: told how far it is, every two seconds.

    Raises:
        MissingError: the file is not there, or the folder cannot be written to.
        UsageError: no format knows it; a part is there already; or it has too few different questions.
        StageFailed: the disk is full. Interrupted: a signal came.
    """
    with process.catch_signals(), ExitStack() as stack:
        manner, shown = wish.manner, str(source)
        file = stack.enter_context(DataFile.open(source, shown, manner.reading))
        format_name, rows = choose_format(manner.format, file.rows(), shown, manner.columns)
        stem = source.name.partition(".")[0] or "rows"
        names = {part: part_name(stem, part) for part in PARTS if part in wish.split.weights}
        files = {part: wish.folder / f"{name}.jsonl" for part, name in names.items()}
        outputs = _opened(stack, source, {**files, INFO: wish.folder / INFO}, force=wish.force)
        dropped = DroppedRows(stack, wish.folder / f"{stem}.dropped.jsonl", file.place)
        drop = dropped.add if manner.rules.drop_bad else None
        audit = Audit(shown, FORMATS[format_name], manner.columns, manner.rules, place=file.place, drop=drop)
        try:
            dealt = stack.enter_context(DealtRows(wish.folder, wish.split, shown))
            told = time.monotonic()
            for number, example, line in audit.examples(dealt.watched(rows)):
                dealt.add(number, example, line)
                if not audit.rows & 255:
                    check()
                if time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    progress(f"{audit.rows} rows read")
            if problems := audit.problems(fix="--fix", drop="--drop-bad"):
                return Split(format_name, audit, tuple(problems), tuple(file.notes))
            counts = dealt.deal()
        except OSError as error:
            raise write_error(error, wish.folder) from None
        for part in files:
            for _, line in dealt.rows_of(part):
                outputs[part].write(line)
        entries = {
            name: entry_of(f"{name}.jsonl", "sharegpt", FORMATS[format_name].purpose)
            for name in names.values()
        }
        # ASCII only: LLaMA-Factory opens it in the locale's encoding.
        outputs[INFO].write(_ascii(entries))
        ledger = dropped.finish()
        hashes = {part: output.finish() for part, output in outputs.items()}
        parts = tuple(
            {
                "name": names[part],
                "part": part,
                "file": str(path),
                "rows": counts[part],
                "sha256": hashes[part],
            }
            for part, path in files.items()
        )
        return Split(format_name, audit, (), tuple(file.notes), parts, ledger)


def _opened(
    stack: ExitStack, source: Path, files: Mapping[str, Path], *, force: bool
) -> dict[str, OutputFile]:
    for path in files.values():
        if path.exists() and path.samefile(source):
            raise UsageError(Problem("is the input itself", str(path), "name another folder"))
    return {part: stack.enter_context(OutputFile.create(path, force=force)) for part, path in files.items()}


def _ascii(entries: Mapping[str, Any]) -> bytes:
    return (json.dumps(entries, ensure_ascii=True, indent=2) + "\n").encode()
