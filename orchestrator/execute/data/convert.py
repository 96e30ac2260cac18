"""Converts a data file of any format into one that LLaMA-Factory reads, in one pass, with a report.

The input is only read. The output appears when it is whole and every row can be trained: if a row has a
fault, nothing is written, unless the rules repair or drop it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from orchestrator.datasets.base import SFT
from orchestrator.datasets.preferences import TURNS, other_purpose, turned
from orchestrator.datasets.targets import LINES, FirstBlock, entry_of, with_tools_key
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import AuditedFile, DataOptions, Progress, audited
from orchestrator.execute.data.rejects import RejectsFile
from orchestrator.execute.host.atomic_files import write_durable
from orchestrator.execute.host.output_file import OutputFile
from orchestrator.execute.host.parquet_writer import ParquetSink
from orchestrator.execute.host.signals import catch_signals

# LLaMA-Factory reads a file by its suffix, in lower case.
SUFFIXES = {**dict.fromkeys(LINES, (".jsonl", ".json")), "parquet": (".parquet",)}


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """What a file is converted to.

    Attributes:
        form: sharegpt, alpaca, or parquet (the rows of sharegpt, with an explicit schema).
        out: the output file. force: replace an existing one.
        purpose: turn the rows into those of this purpose (datasets/preferences.py); "" to keep theirs.
        data: how rows are read, and what is done about faulty ones.
    """

    form: str
    out: Path
    force: bool = False
    purpose: str = ""
    data: DataOptions = field(default_factory=DataOptions)


@dataclass(frozen=True, slots=True)
class Converted:
    """The result.

    Attributes:
        file: the input, its format and counts.
        problems: why nothing was written; empty on success.
        sha256_out: of the output; "" if it was not written.
        entry: LLaMA-Factory's entry for the output.
        rejects: the file of dropped rows; None if there are none.
    """

    file: AuditedFile
    problems: tuple[Problem, ...]
    sha256_out: str
    entry: Mapping[str, object]
    rejects: Path | None
    seconds: float

    def to_json(self) -> dict[str, object]:
        """The report."""
        audit = self.file.audit
        return {
            **self.file.to_json(),
            "faults": audit.faults.to_json(),
            "warnings": audit.warnings.to_json(),
            "repairs": audit.fixed.to_json(),
            "sha256_in": self.file.sha256,
            "sha256_out": self.sha256_out,
            "dataset_info": dict(self.entry),
            "rejects": str(self.rejects) if self.rejects else None,
            "seconds": round(self.seconds, 2),
        }


def convert(source: Path, options: ConvertOptions, progress: Progress | None = None) -> Converted:
    """Convert a data file, or a folder of them.

    Raises:
        MissingError: the file is missing, or the output cannot be written.
        UsageError: no format recognises it; or the output exists or is the input.
        StageFailed: the disk is full. Interrupted: a signal came.
    """
    began, out = time.monotonic(), options.out
    if out.suffix not in SUFFIXES[options.form]:
        what = f"LLaMA-Factory does not read {options.form} from a file with this suffix"
        raise UsageError(Problem(what, str(out), f"use {' or '.join(SUFFIXES[options.form])}"))
    if out.exists() and out.samefile(source):
        raise UsageError(Problem("the output is the input", str(out), "choose another file"))
    form = "sharegpt" if options.form == "parquet" else options.form
    with catch_signals(), _without_gc(), ExitStack() as stack:
        rejects = RejectsFile(stack, out.with_name(out.name + ".dropped.jsonl"))
        file = stack.enter_context(
            audited(source, options.data, write=LINES[form], drop=rejects.taker, progress=progress)
        )
        purpose = _turned_to(file, options.purpose, source)
        output = stack.enter_context(OutputFile.create(out, force=options.force))
        tools = file.tools and purpose == SFT and form == "sharegpt"
        sink = ParquetSink(output, purpose, tools=tools) if options.form == "parquet" else None
        first, write = FirstBlock(form) if sink is None else None, output.write
        for _, read, line in file.examples():
            for example in turned(read, purpose):
                row = line if example is read else LINES[form](example)
                row = with_tools_key(row) if tools else row
                if sink is not None:
                    sink.put(example)
                    continue
                if first is not None and first.open:
                    first.see(example, len(row))
                write(row)
        problems = file.audit.problems(fix="--fix", drop="--drop-bad")
        problems += first.problems(str(out)) if first else []
        file.hash()
        entry = {out.stem: entry_of(out.name, form, purpose, tools=tools)}
        dropped, sha256_out = (None, "") if problems else (rejects.finish(), (sink or output).finish())
        return Converted(file, tuple(problems), sha256_out, entry, dropped, time.monotonic() - began)


def _turned_to(file: AuditedFile, purpose: str, source: Path) -> str:
    """The purpose of the rows that are written."""
    if purpose and purpose != file.purpose and (file.purpose, purpose) not in TURNS:
        what, hint = other_purpose(file.purpose, purpose, str(source))
        raise UsageError(Problem(what, str(source), hint))
    return purpose or file.purpose


def write_report(path: Path, converted: Converted) -> None:
    """Write the report as JSON, durably."""
    write_durable(path, orjson.dumps(converted.to_json(), option=orjson.OPT_INDENT_2) + b"\n")


@contextmanager
def _without_gc() -> Iterator[None]:
    """Disable the garbage collector: rows have no reference cycles, and it would take a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
