"""The task `prepare`: data files become what LLaMA-Factory reads, or a list of what is wrong with their rows.

Written under data.partial-0/: NAME.jsonl for each data set, where it is split NAME_validation.jsonl and
NAME_test.jsonl too, conch_generated.jsonl, conch_held_out.jsonl (paraphrases, each with the answer of the
trained row that it asks for otherwise), dataset_info.json, conversations.jsonl ({"dataset", "row",
"messages"} of every row, which the proofs compare), prepare.json (rows in and kept, turns, warnings, hashes
in and out) and, where rows were left out, prepare.dropped.jsonl. Streaming: memory does not grow with the
rows, but for a split (dealt_rows.py). The input is only read; text arrives byte for byte.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Self

import orjson

from orchestrator.datasets.audit import Audit, Drop, Rules
from orchestrator.datasets.base import SFT, Conversation, RowProblem
from orchestrator.datasets.dataset_info import dataset_info_text
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.ledger import ledger_line
from orchestrator.datasets.rows import Numbered
from orchestrator.datasets.split import PARTS, TRAIN, SplitWish, part_name
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import DataFile, Reading, choose_format
from orchestrator.execute.data.dealt_rows import DealtRows
from orchestrator.execute.data.held_out import HeldOut
from orchestrator.execute.data.leaks import Leaks
from orchestrator.execute.host.atomic_files import remove, write_error
from orchestrator.plan.stage import partial

GENERATED = "conch_generated"
HELD_OUT = "conch_held_out"
LEDGER = "prepare.dropped.jsonl"


def prepare(settings: Mapping[str, Any], folder: Path) -> int:
    """Convert, audit and split.

    Args:
        settings: datasets: [{name, format ("" to sniff), path, columns, and where they are not empty items,
            sheet, split, fix, drop_bad, part ("validation" or "test": not trained)}], those that are not
            trained first; max_samples: the first rows of each that are taken, None for all; split: {weights,
            seed, stratify, near_duplicates} of those that are trained; generated: {seed, count, thoughts},
            made-up conversations for the proofs; held_out: files of paraphrases.
        folder: the run folder.

    Raises:
        MissingError: a file is not there or empty.
        UsageError: rows would be dropped or trained wrongly, or are in two parts: the first of each kind,
            and how many.
        StageFailed: the disk is full.
    """
    out = folder / partial("data")
    try:
        remove(out)
        out.mkdir(parents=True)
        with ExitStack() as stack:
            report = _Preparation(settings, folder, out, stack).run()
        (out / "prepare.json").write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        raise write_error(error, Path(error.filename or out)) from error
    return 0


class _Preparation:
    """One run of the task: what it writes to, and what it found so far."""

    def __init__(self, settings: Mapping[str, Any], folder: Path, out: Path, stack: ExitStack) -> None:
        self.settings, self.folder, self.out = settings, folder, out
        self.held_out = HeldOut.read([folder / path for path in settings.get("held_out", ())])
        self.together = stack.enter_context((out / "conversations.jsonl").open("wb"))
        self.ledger = _Ledger(out / LEDGER, stack)
        self.leaks = Leaks()
        self.problems: list[Problem] = []

    def run(self) -> dict[str, Any]:
        """Everything but prepare.json, which it returns."""
        generated = _generated(self.settings.get("generated") or {})
        datasets = [part for dataset in self.settings["datasets"] for part in self._dataset(dataset)]
        for name, made in ((GENERATED, generated), (HELD_OUT, self.held_out.rows)):
            with _Part.open(self, name) as part:
                for row, conversation in enumerate(made, start=1):
                    part.put(row, orjson.dumps({"messages": conversation}) + b"\n")
        names = [*(each["name"] for each in datasets), GENERATED, HELD_OUT]
        (self.out / "dataset_info.json").write_text(dataset_info_text(names), encoding="utf-8")
        self.problems += self.leaks.problems()
        if self.problems:
            raise UsageError(*self.problems)
        return {"datasets": datasets, "generated": len(generated), "held_out": len(self.held_out.rows)}

    def _dataset(self, dataset: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One data set into its files; what prepare.json says of each: the audit stands with the first."""
        path = self.folder / dataset["path"]
        shown, name, part = _shown(path, self.folder), dataset["name"], dataset.get("part") or TRAIN
        wish = self._wish() if part == TRAIN else None
        which = {key: dataset[key] for key in ("items", "sheet", "split", "fix") if dataset.get(key)}
        with DataFile.open(path, shown, Reading(**which)) as source:
            most = self.settings.get("max_samples")
            given = dataset.get("columns") or {}
            format_name, rows = choose_format(
                dataset.get("format") or "", islice(source.rows(), most), shown, given
            )
            if FORMATS[format_name].purpose != SFT:
                what = (
                    f"it is read as {format_name}: rows for {FORMATS[format_name].purpose}, not conversations"
                )
                raise UsageError(Problem(what, shown, "name a data set of conversations"))
            rules = Rules(fix=bool(dataset.get("fix")), drop_bad=bool(dataset.get("drop_bad")))
            drop = self.ledger.taker(source.place) if rules.drop_bad else None
            audit = Audit(shown, FORMATS[format_name], given, rules, place=source.place, drop=drop)
            parts = self._split(audit, rows, name, wish) if wish else [self._whole(audit, rows, name, part)]
            sha256_in = source.sha256()
        self.problems += audit.problems()
        parts[0] |= {"format": format_name, **audit.counted(), "sha256_in": sha256_in}
        return [{"name": each["name"], "file": shown, **each} for each in parts]

    def _whole(self, audit: Audit, rows: Iterator[Numbered], name: str, part: str) -> dict[str, Any]:
        with _Part.open(self, name) as written:
            for number, example, line in audit.examples(rows):
                self.leaks.see(example, part, audit.where(number))
                if part == TRAIN and isinstance(example, list):
                    self.held_out.see(example)
                written.put(number, line)
        return written.told(part)

    def _split(
        self, audit: Audit, rows: Iterator[Numbered], name: str, wish: SplitWish
    ) -> list[dict[str, Any]]:
        with DealtRows(self.out, wish, audit.file) as dealt:
            for number, example, line in audit.examples(dealt.watched(rows)):
                self.leaks.see(example, TRAIN, audit.where(number))
                dealt.add(number, example, line)
            if audit.problems():
                return [{"name": name}]
            dealt.deal()
            return [self._part(dealt, name, part) for part in PARTS if part in wish.weights]

    def _part(self, dealt: DealtRows, name: str, part: str) -> dict[str, Any]:
        with _Part.open(self, part_name(name, part)) as written:
            for number, line in dealt.rows_of(part):
                if part == TRAIN and self.held_out.wanted:
                    self.held_out.see(orjson.loads(line)["messages"])
                written.put(number, line)
        return written.told(part)

    def _wish(self) -> SplitWish | None:
        wanted = self.settings.get("split")
        return SplitWish(**wanted) if wanted else None


@dataclass
class _Part:
    """A prepared data set that is being written: its own file, and its rows among those that are compared."""

    name: str
    alone: IO[bytes]
    together: IO[bytes]
    rows: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    @classmethod
    def open(cls, work: _Preparation, name: str) -> _Part:
        """Begin NAME.jsonl."""
        return cls(name, (work.out / f"{name}.jsonl").open("wb"), work.together)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.alone.close()

    def put(self, row: int, line: bytes) -> None:
        """Write {"messages": …} under its row's number in the source."""
        self.rows += 1
        self._digest.update(line)
        self.alone.write(line)
        place = orjson.dumps({"dataset": self.name, "row": row})
        self.together.write(place[:-1] + b"," + line[1:])

    def told(self, part: str) -> dict[str, Any]:
        """What prepare.json says of it."""
        sha256 = "sha256:" + self._digest.hexdigest()
        return {"name": self.name, "part": part, "rows": self.rows, "sha256_out": sha256}


@dataclass
class _Ledger:
    """Rows that were left out, one a line; a file only when there are any."""

    path: Path
    stack: ExitStack

    def __post_init__(self) -> None:
        self._file: IO[bytes] | None = None

    def taker(self, place: Callable[[int], str]) -> Drop:
        """What an audit tells of each row that it leaves out."""

        def take(number: int, found: Iterable[RowProblem], row: Any) -> None:
            if self._file is None:
                self._file = self.stack.enter_context(self.path.open("wb"))
            self._file.write(ledger_line(place(number), found, row))

        return take


def _generated(wanted: Mapping[str, Any]) -> list[Conversation]:
    if not wanted.get("count"):
        return []
    from orchestrator.templates.generated import generated_conversations

    return generated_conversations(wanted["seed"], wanted["count"], wanted["thoughts"])


def _shown(path: Path, folder: Path) -> str:
    """The file as people know it: relative to the project or the run, where it lies in one of them."""
    for root in (os.environ.get("CONCH_PROJECT"), folder):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)
