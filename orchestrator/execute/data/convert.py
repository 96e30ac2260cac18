"""A data file of any shape becomes one that LLaMA-Factory reads, in one pass, with a report of every row.

The input is only read. The output appears under its name when it is whole and everything in it can be
trained: where a row has a fault nothing is written, unless faults are to be repaired or left out.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from orchestrator.datasets.audit import Audit
from orchestrator.datasets.base import Example
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.targets import ROWS, FirstBlock, entry_of, speller
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataFile, choose_format
from orchestrator.execute.data.manner import Manner
from orchestrator.execute.data.rejects import DroppedRows
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.output_file import OutputFile
from orchestrator.execute.host.signals import check
from orchestrator.execute.processes import process

# LLaMA-Factory reads a file by its suffix, in small letters.
SUFFIXES = {**dict.fromkeys(ROWS, (".jsonl", ".json")), "parquet": (".parquet",)}
TOLD_EVERY = 2.0

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """What is to be made of a file.

    Attributes:
        form: sharegpt, alpaca, or parquet (the rows of sharegpt, with an explicit schema).
        out: the file to make. force: replace what is there.
        manner: how rows are read, and what is done about bad ones.
    """

    form: str
    out: Path
    force: bool = False
    manner: Manner = field(default_factory=Manner)

    @property
    def ledger(self) -> Path:
        """Where the rows that were left out are listed."""
        return self.out.with_name(self.out.name + ".dropped.jsonl")


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of it.

    Attributes:
        format: how the rows were read. audit: what was found.
        problems: why nothing was written; empty when all is well.
        notes: how the file was understood.
        sha256_in, sha256_out: of the two files; "" for an output that was not written.
        entry: LLaMA-Factory's entry for the output.
        ledger: the file of rows that were left out, None when none were.
    """

    format: str
    audit: Audit
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    sha256_in: str
    sha256_out: str
    entry: Mapping[str, Any]
    ledger: Path | None
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The report."""
        audit = self.audit
        return {
            "format": self.format,
            "columns": dict(audit.columns),
            "notes": list(self.notes),
            **audit.counted(),
            "faults": audit.faults.to_json(),
            "warnings": audit.odd.to_json(),
            "repairs": audit.fixed.to_json(),
            "sha256_in": self.sha256_in,
            "sha256_out": self.sha256_out,
            "dataset_info": dict(self.entry),
            "ledger": str(self.ledger) if self.ledger else None,
            "seconds": round(self.seconds, 2),
        }


class Sink(Protocol):
    """What takes the rows that are kept."""

    def put(self, example: Example, line: bytes) -> None:
        """Take one."""

    def finish(self) -> str:
        """Give the file its name; its hash."""


class LineSink:
    """Rows as lines of JSON."""

    def __init__(self, output: OutputFile) -> None:
        self._write = output.write
        self.finish = output.finish

    def put(self, example: Example, line: bytes) -> None:  # noqa: ARG002 - a parquet file takes the example
        """Take one."""
        self._write(line)


def convert(source: Path, wish: ConvertOptions, progress: Progress = lambda _: None) -> Converted:
    """Convert a file.

    Args:
        source: a data file, a folder of them, or what Reading can name in one.
        wish: what is to be made of it.
        progress: told how far it is, every two seconds.

    Raises:
        MissingError: the file is not there, or the output cannot be written.
        UsageError: no format knows it; the output is there already; or it is the input.
        StageFailed: the disk is full. Interrupted: a signal came.
    """
    began = time.monotonic()
    if wish.out.suffix not in SUFFIXES[wish.form]:
        what = f"LLaMA-Factory would not read {wish.form} under this name"
        raise UsageError(Problem(what, str(wish.out), f"end it in {' or '.join(SUFFIXES[wish.form])}"))
    if wish.out.exists() and wish.out.samefile(source):
        raise UsageError(Problem("is the input itself", str(wish.out), "name another file"))
    with process.catch_signals(), _without_cycles(), ExitStack() as stack:
        manner, shown = wish.manner, str(source)
        file = stack.enter_context(DataFile.open(source, shown, manner.reading))
        name, rows = choose_format(manner.format, file.rows(), shown, manner.columns)
        output = stack.enter_context(OutputFile.create(wish.out, force=wish.force))
        dropped = DroppedRows(stack, wish.ledger, file.place)
        form = "sharegpt" if wish.form == "parquet" else wish.form
        audit = Audit(
            shown,
            FORMATS[name],
            manner.columns,
            manner.rules,
            speller(form),
            file.place,
            dropped.add if manner.rules.drop_bad else None,
        )
        sink = _sink(wish.form, output, FORMATS[name].purpose)
        first = FirstBlock(form) if wish.form != "parquet" else None
        told, put = time.monotonic(), sink.put
        for _, example, line in audit.examples(rows):
            if first is not None and first.open:
                first.see(example, len(line))
            put(example, line)
            if audit.rows & 255:
                continue
            check()
            if time.monotonic() - told > TOLD_EVERY:
                told = time.monotonic()
                progress(f"{audit.rows} rows read")
        problems = (
            *audit.problems(fix="--fix", drop="--drop-bad"),
            *(first.problems(str(wish.out)) if first else ()),
        )
        entry = {wish.out.stem: entry_of(wish.out.name, form, FORMATS[name].purpose)}
        sha256_in, sha256_out = file.sha256(), ""
        if not problems:
            ledger = dropped.finish()
            sha256_out = sink.finish()
        return Converted(
            name,
            audit,
            problems,
            tuple(file.notes),
            sha256_in,
            sha256_out,
            entry,
            ledger if not problems else None,
            time.monotonic() - began,
        )


def write_report(path: Path, converted: Converted) -> None:
    """The report as JSON, durably."""
    write_durable(path, orjson.dumps(converted.to_json(), option=orjson.OPT_INDENT_2) + b"\n")


def _sink(form: str, output: OutputFile, purpose: str) -> Sink:
    if form != "parquet":
        return LineSink(output)
    from orchestrator.execute.host.parquet_writer import ParquetSink

    return ParquetSink(output, purpose)


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Without the search for cycles in memory: rows have none, and it would cost a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
