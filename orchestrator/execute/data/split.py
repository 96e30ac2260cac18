"""Splits rows into parts, and `conch data split`: a data file becomes one file for each part.

The input is only read. Each part appears when it is whole; dataset_info.json, which names them, comes last.
If a row has a fault, nothing is written, unless the rules repair or drop it.
"""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Self

from orchestrator.datasets.base import SFT, Example, KtoExample, Row, RowProblem
from orchestrator.datasets.near_duplicates import NearDuplicates
from orchestrator.datasets.preferences import tally_of
from orchestrator.datasets.rows import Numbered
from orchestrator.datasets.split import PARTS, Groups, SplitSpec, first_question, part_name, stratum_of
from orchestrator.datasets.targets import dataset_info_text, entry_of, with_tools_key
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import AuditedFile, DataOptions, Progress, audited
from orchestrator.execute.data.rejects import RejectsFile
from orchestrator.execute.host.atomic_files import write_error
from orchestrator.execute.host.output_file import OutputFile
from orchestrator.execute.host.signals import catch_signals

INFO = "dataset_info.json"


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How a file is split.

    Attributes:
        folder: where the parts are written. force: replace existing files.
        split: the parts.
        data: how rows are read, and what is done about faulty ones.
    """

    folder: Path
    split: SplitSpec
    force: bool = False
    data: DataOptions = field(default_factory=DataOptions)


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was written, and its dataset's name."""

    name: str
    part: str
    file: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class SplitResult:
    """The result.

    Attributes:
        file: the input, its format and counts.
        problems: why nothing was written; empty on success.
        rejects: the file of dropped rows; None if there are none.
    """

    file: AuditedFile
    problems: tuple[Problem, ...] = ()
    parts: tuple[Part, ...] = ()
    rejects: Path | None = None

    def to_json(self) -> dict[str, object]:
        """The `data` of `conch data split --json`."""
        return {
            **self.file.to_json(),
            "faults": dict(self.file.audit.faults.counts),
            "parts": [asdict(part) for part in self.parts],
            "rejects": str(self.rejects) if self.rejects else None,
        }


class SplitRows:
    """Takes the rows of a file, and returns them part by part, in their order.

    The lines are kept on disk, in a file without a name, so nothing is left when the process ends. Memory:
    sixteen bytes a row, and the groups (datasets/split.py).
    """

    def __init__(self, folder: Path, spec: SplitSpec, shown: str) -> None:
        """Open the temporary file.

        Args:
            folder: where it is.
            spec: how rows are split.
            shown: the name of the file that is split, for messages.

        Raises:
            MissingError: near-duplicates are requested, and the package that finds them is not installed.
        """
        self._spec, self._shown = spec, shown
        self._groups = Groups(NearDuplicates() if spec.near_duplicates else None)
        self._numbers = array("Q")
        self._row: Row = {}
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def watch(self, rows: Iterator[Numbered]) -> Iterator[Numbered]:
        """The rows, unchanged; the column to stratify by is not part of an example."""
        for number, row in rows:
            self._row = {} if isinstance(row, RowProblem) else row
            yield number, row

    def add(self, number: int, example: Example, line: bytes) -> None:
        """Take a kept row, the last one that `watch` returned.

        Raises:
            UsageError: it has no value to stratify by.
        """
        # Liked and disliked answers are shared out evenly: a part with one of them teaches and tests nothing.
        column, stratum = self._spec.stratify, tally_of(example) if isinstance(example, KtoExample) else ""
        if column:
            try:
                stratum = stratum_of(self._row, column)
            except UsageError as error:
                where, hint = f"{self._shown}:{number}", "use a column that every row has"
                raise UsageError(Problem(error.problems[0].what, where, hint)) from None
        self._groups.add(first_question(example), stratum)
        self._numbers.append(number)
        self._file.write(line)

    def deal(self) -> dict[str, int]:
        """Decide the part of every row; return part → its rows.

        Raises:
            UsageError: there are fewer different questions than parts.
        """
        self._parts = self._groups.parts(self._spec, self._shown)
        counts = dict.fromkeys(self._spec.weights, 0)
        for group in self._groups.groups:
            counts[self._parts[group]] += 1
        return counts

    def rows_of(self, part: str) -> Iterator[tuple[int, bytes]]:
        """Number and line of every row of a part, after `deal`."""
        self._file.seek(0)
        for number, group, line in zip(self._numbers, self._groups.groups, self._file, strict=True):
            if self._parts[group] == part:
                yield number, line


def split(source: Path, options: SplitOptions, progress: Progress | None = None) -> SplitResult:
    """Split a data file, or a folder of them.

    Raises:
        MissingError: the file is missing, or the folder is not writable.
        UsageError: no format recognises it; a part exists; or it has too few different questions.
        StageFailed: the disk is full. Interrupted: a signal came.
    """
    folder, spec = options.folder, options.split
    stem = source.name.partition(".")[0] or "rows"
    with catch_signals(), ExitStack() as stack:
        rejects = RejectsFile(stack, folder / f"{stem}.dropped.jsonl")
        file = stack.enter_context(audited(source, options.data, drop=rejects.taker, progress=progress))
        tools = file.tools and file.purpose == SFT
        names = {part: part_name(stem, part) for part in PARTS if part in spec.weights}
        paths = {part: folder / f"{name}.jsonl" for part, name in names.items()}
        outputs = _opened(stack, source, {**paths, INFO: folder / INFO}, force=options.force)
        try:
            rows = stack.enter_context(SplitRows(folder, spec, file.audit.file))
            for number, example, line in file.audit.examples(rows.watch(file.rows)):
                rows.add(number, example, line)
            if problems := file.audit.problems(fix="--fix", drop="--drop-bad"):
                return SplitResult(file, tuple(problems))
            counts = rows.deal()
        except OSError as error:
            raise write_error(error, folder) from None
        for part in paths:
            for _, line in rows.rows_of(part):
                outputs[part].write(with_tools_key(line) if tools else line)
        entries = {
            name: entry_of(f"{name}.jsonl", "sharegpt", file.purpose, tools=tools) for name in names.values()
        }
        outputs[INFO].write(dataset_info_text(entries).encode())
        dropped = rejects.finish()
        hashes = {part: output.finish() for part, output in outputs.items()}
        parts = [
            Part(names[part], part, str(path), counts[part], hashes[part]) for part, path in paths.items()
        ]
        return SplitResult(file, (), tuple(parts), dropped)


def _opened(
    stack: ExitStack, source: Path, paths: Mapping[str, Path], *, force: bool
) -> dict[str, OutputFile]:
    for path in paths.values():
        if path.exists() and path.samefile(source):
            raise UsageError(Problem("the output is the input", str(path), "choose another folder"))
    return {part: stack.enter_context(OutputFile.create(path, force=force)) for part, path in paths.items()}
