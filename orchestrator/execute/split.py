"""A data file of any shape becomes parts of its own, as LLaMA-Factory reads them: `conch data split`.

The input is only read. Each part appears under its name when it is whole; dataset_info.json, which names
them, comes last. Where a row has a fault nothing is written, unless faults are to be repaired or left out.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.datasets import ADAPTERS
from orchestrator.datasets.audit import Audit, Rules
from orchestrator.datasets.base import RowProblem
from orchestrator.datasets.ledger import ledger_line
from orchestrator.datasets.split import PARTS, SplitWish, part_name
from orchestrator.datasets.targets import entry_of
from orchestrator.errors import Problem, UsageError
from orchestrator.execute import process
from orchestrator.execute.data_file import DataFile, Reading, choose_adapter
from orchestrator.execute.dealt_rows import DealtRows
from orchestrator.execute.interrupts import check
from orchestrator.execute.output_file import OutputFile, explained

TOLD_EVERY = 2.0
INFO = "dataset_info.json"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be made of a file.

    Attributes:
        folder: where the parts are written. force: replace what is there.
        split: the parts.
        adapter, columns: how a row is read; "" when the first whole row decides.
        reading: which part of the file is read, and how.
        rules: what is done about faults.
    """

    folder: Path
    split: SplitWish
    force: bool = False
    adapter: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Split:
    """What came of it.

    Attributes:
        adapter: how the rows were read. audit: what was found.
        problems: why nothing was written; empty when all is well.
        parts: {"name", "part", "file", "rows", "sha256"} of each.
        ledger: the file of rows that were left out, None when none were.
    """

    adapter: str
    audit: Audit
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    parts: tuple[Mapping[str, Any], ...] = ()
    ledger: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """As `conch data split --json` says it."""
        return {
            "adapter": self.adapter,
            "notes": list(self.notes),
            **self.audit.counted(),
            "faults": dict(self.audit.counts),
            "parts": [dict(part) for part in self.parts],
            "ledger": str(self.ledger) if self.ledger else None,
        }


def split(source: Path, wish: Wish, progress: Callable[[str], None] = lambda _: None) -> Split:
    """Split a file.

    Args:
        source: a data file, a folder of them, or what Reading can name in one.
        wish: what is to be made of it.
        progress: told how far it is, every two seconds.

    Raises:
        MissingError: the file is not there, or the folder cannot be written to.
        UsageError: no adapter knows it; a part is there already; or it has too few different questions.
        StageFailed: the disk is full. Interrupted: a signal came.
    """
    with process.signals(), ExitStack() as stack:
        file = stack.enter_context(DataFile.open(source, str(source), wish.reading))
        adapter, rows = choose_adapter(wish.adapter, file.rows(), str(source), wish.columns)
        stem = source.name.partition(".")[0] or "rows"
        names = {part: part_name(stem, part) for part in PARTS if part in wish.split.weights}
        files = {part: wish.folder / f"{name}.jsonl" for part, name in names.items()}
        outputs = _opened(stack, source, {**files, INFO: wish.folder / INFO}, force=wish.force)
        dropped = _Dropped(stack, wish.folder / f"{stem}.dropped.jsonl", file.place)
        drop = dropped.add if wish.rules.drop_bad else None
        audit = Audit(str(source), ADAPTERS[adapter], wish.columns, wish.rules, place=file.place, drop=drop)
        try:
            dealt = stack.enter_context(DealtRows(wish.folder, wish.split, str(source)))
            told = time.monotonic()
            for number, example, line in audit.examples(dealt.watched(rows)):
                dealt.add(number, example, line)
                if not audit.rows & 255:
                    check()
                if time.monotonic() - told > TOLD_EVERY:
                    told = time.monotonic()
                    progress(f"{audit.rows} rows read")
            if problems := _with_the_way_out(audit, wish.rules):
                return Split(adapter, audit, tuple(problems), tuple(file.notes))
            counts = dealt.deal()
        except OSError as error:
            raise explained(error, wish.folder) from None
        for part in files:
            for _, line in dealt.rows_of(part):
                outputs[part].write(line)
        entries = {
            name: entry_of(f"{name}.jsonl", "sharegpt", ADAPTERS[adapter].purpose) for name in names.values()
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
        return Split(adapter, audit, (), tuple(file.notes), parts, ledger)


def _opened(
    stack: ExitStack, source: Path, files: Mapping[str, Path], *, force: bool
) -> dict[str, OutputFile]:
    for path in files.values():
        if path.exists() and path.samefile(source):
            raise UsageError(Problem("is the input itself", str(path), "name another folder"))
    return {part: stack.enter_context(OutputFile.create(path, force=force)) for part, path in files.items()}


class _Dropped:
    """The ledger of rows that were left out; a file only when there are any."""

    def __init__(self, stack: ExitStack, path: Path, place: Callable[[int], str]) -> None:
        self._stack, self._path, self._place = stack, path, place
        self._file: OutputFile | None = None

    def add(self, number: int, found: list[RowProblem], row: Any) -> None:
        if self._file is None:
            self._file = self._stack.enter_context(OutputFile.create(self._path, force=True))
        self._file.write(ledger_line(self._place(number), found, row))

    def finish(self) -> Path | None:
        if self._file is None:
            return None
        self._file.finish()
        return self._path


def _with_the_way_out(audit: Audit, rules: Rules) -> list[Problem]:
    problems = audit.problems()
    if problems and audit.bad:
        flags = " or ".join(["--fix"] * (not rules.fix) + ["--drop-bad"] * (not rules.drop_bad))
        mend = f"add {flags}, or mend them and type the same command again" if flags else "mend them"
        problems[-1] = replace(problems[-1], mend=mend)
    return problems


def _ascii(entries: Mapping[str, Any]) -> bytes:
    return (json.dumps(entries, ensure_ascii=True, indent=2) + "\n").encode()
