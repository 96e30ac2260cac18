"""The task `prepare`: data files become what LLaMA-Factory reads, or a list of what is wrong with their rows.

Writes under data.partial-0/: NAME.jsonl for each dataset, and NAME_validation.jsonl and NAME_test.jsonl if it
is split; conch_generated.jsonl; conch_held_out.jsonl (paraphrases, each with the answer of the trained row
whose question it rephrases); dataset_info.json; conversations.jsonl ({"dataset", "row", "messages"} of every
row, which the proofs compare; of a pair both, the worse answer as dataset NAME/rejected); prepare.json (rows
read and kept, turns, warnings, hashes); and, if rows were dropped, prepare.dropped.jsonl. Streaming: memory
does not grow with the rows, except for a split (split.py). The input is only read; text is copied byte for
byte.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Self

import orjson

from orchestrator.datasets.audit import Audit
from orchestrator.datasets.base import SFT, TOOLS, Conversation, Example, excerpt
from orchestrator.datasets.preferences import one_sided
from orchestrator.datasets.split import PARTS, TRAIN, SplitSpec, first_question, group_of, part_name
from orchestrator.datasets.targets import (
    conversations_in,
    dataset_info_text,
    entry_of,
    sharegpt_line,
    with_tools_key,
)
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.data_file import AuditedFile, DataOptions, audited
from orchestrator.execute.data.rejects import RejectsFile
from orchestrator.execute.data.split import SplitRows
from orchestrator.execute.host.atomic_files import remove, write_error
from orchestrator.plan.stage import partial
from orchestrator.plan.stages.prepare import DatasetSettings, GeneratedSettings, PrepareSettings

GENERATED = "conch_generated"
HELD_OUT = "conch_held_out"
REJECTS = "prepare.dropped.jsonl"
SHOWN = 3
# The line of a conversation: the list of its messages is its only value.
_MESSAGES, _END = b'{"messages":', b"}]}\n"

Report = dict[str, object]


def prepare(settings: PrepareSettings, folder: Path) -> int:
    """Convert, audit and split.

    Raises:
        MissingError: a file is missing or empty.
        UsageError: rows would be dropped or trained wrongly, or are in two parts: the first of each kind,
            and their number.
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
    """One run of the task: its outputs, and the problems found so far."""

    def __init__(self, settings: PrepareSettings, folder: Path, out: Path, stack: ExitStack) -> None:
        self.settings, self.folder, self.out = settings, folder, out
        self.held_out = HeldOut.read([folder / path for path in settings.held_out])
        self.together = stack.enter_context((out / "conversations.jsonl").open("wb"))
        self.rejects = RejectsFile(stack, out / REJECTS)
        self.leaks = Leaks()
        self.tally: Counter[str] = Counter()
        self.first = ""
        self.problems: list[Problem] = []
        # The prepared datasets whose rows have the key "tools", and the rows that declare some all the same.
        self.declaring: set[str] = set()
        self.undeclared: list[Problem] = []

    def run(self) -> Report:
        """Write everything but prepare.json, whose content it returns."""
        generated = _generated(self.settings.generated)
        any_tools = any("tools" in dataset.columns for dataset in self.settings.datasets)
        datasets = [part for dataset in self.settings.datasets for part in self._dataset(dataset)]
        for name, conversations in ((GENERATED, generated), (HELD_OUT, self.held_out.rows)):
            with _PartFile.open(self, name, tools=any_tools) as part:
                for row, conversation in enumerate(conversations, start=1):
                    part.put(row, sharegpt_line(conversation))
        purposes = {str(each["name"]): self.settings.purpose for each in datasets}
        entries = {
            name: entry_of(f"{name}.jsonl", "sharegpt", purpose, tools=name in self.declaring)
            for name, purpose in {**purposes, GENERATED: SFT, HELD_OUT: SFT}.items()
        }
        (self.out / "dataset_info.json").write_text(dataset_info_text(entries), encoding="utf-8")
        self.problems += [*self.leaks.problems(), *self.undeclared, *one_sided(self.tally, self.first)]
        if self.problems:
            raise UsageError(*self.problems)
        self.rejects.finish()
        return {"datasets": datasets, "generated": len(generated), "held_out": len(self.held_out.rows)}

    def _dataset(self, dataset: DatasetSettings) -> list[Report]:
        """Write one dataset; return the reports of its parts, the first one with the audit."""
        path = self.folder / dataset.path
        options = DataOptions.of(dataset)
        options = replace(options, rules=replace(options.rules, drop_bad=dataset.drop_bad))
        with audited(
            path,
            options,
            shown=_shown(path, self.folder),
            most=self.settings.max_samples,
            purpose=self.settings.purpose,
            drop=self.rejects.taker,
        ) as file:
            spec = self.settings.split if dataset.part == TRAIN else None
            parts = self._split(file, dataset, spec) if spec else [self._whole(file, dataset)]
            sha256_in = file.hash()
        self.problems += file.audit.problems()
        if dataset.part == TRAIN:
            self.tally += file.audit.tally
            self.first = self.first or file.audit.where(file.audit.first)
        parts[0] |= {"format": file.format, **file.audit.counted(), "sha256_in": sha256_in}
        return [{"name": each["name"], "file": file.audit.file, **each} for each in parts]

    def _whole(self, file: AuditedFile, dataset: DatasetSettings) -> Report:
        tools = "tools" in dataset.columns
        with _PartFile.open(self, dataset.name, tools=tools) as written:
            for number, example, line in file.examples():
                self._see_tools(example, file.audit, number, tools=tools)
                self.leaks.see(example, dataset.part, file.audit, number)
                if dataset.part == TRAIN and isinstance(example, list):
                    self.held_out.see(example)
                written.put(number, line)
        return written.report(dataset.part)

    def _see_tools(self, example: Example, audit: Audit, number: int, *, tools: bool) -> None:
        """Note a row with tools in a dataset whose entry does not name their column."""
        if not tools and isinstance(example, list) and example[0]["role"] == TOOLS and not self.undeclared:
            hint = f"write `columns: {{tools: {audit.columns['tools']}}}` and the format into dataset_info"
            what = "the row declares tools, and the dataset's entry does not name their column"
            self.undeclared.append(Problem(what, audit.where(number), hint))

    def _split(self, file: AuditedFile, dataset: DatasetSettings, spec: SplitSpec) -> list[Report]:
        name, tools = dataset.name, "tools" in dataset.columns
        with SplitRows(self.out, spec, file.audit.file) as rows:
            for number, example, line in file.audit.examples(rows.watch(file.rows)):
                self._see_tools(example, file.audit, number, tools=tools)
                self.leaks.see(example, TRAIN, file.audit, number)
                rows.add(number, example, line)
            if file.audit.problems():
                return [{"name": name}]
            rows.deal()
            return [self._part(rows, name, part, tools=tools) for part in PARTS if part in spec.weights]

    def _part(self, rows: SplitRows, name: str, part: str, *, tools: bool) -> Report:
        with _PartFile.open(self, part_name(name, part), tools=tools) as written:
            for number, line in rows.rows_of(part):
                if part == TRAIN and self.held_out.paraphrases and self.settings.purpose == SFT:
                    self.held_out.see(orjson.loads(line)["messages"])
                written.put(number, line)
        return written.report(part)


@dataclass
class _PartFile:
    """A prepared dataset that is being written, to its own file and to conversations.jsonl."""

    name: str
    alone: IO[bytes]
    together: IO[bytes]
    tools: bool = False
    rows: int = 0

    def __post_init__(self) -> None:
        self._digest = hashlib.sha256()

    @classmethod
    def open(cls, work: _Preparation, name: str, *, tools: bool) -> Self:
        """Begin NAME.jsonl; `tools`: every row has the key, because one of them may declare some."""
        if tools:
            work.declaring.add(name)
        return cls(name, (work.out / f"{name}.jsonl").open("wb"), work.together, tools)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.alone.close()

    def put(self, row: int, line: bytes) -> None:
        """Write a row as it is trained, and its conversations with the row's number in the source."""
        self.rows += 1
        written = with_tools_key(line) if self.tools else line
        self._digest.update(written)
        self.alone.write(written)
        if line.startswith(_MESSAGES) and line.endswith(_END):  # most rows: nothing to parse
            key = orjson.dumps({"dataset": self.name, "row": row})
            self.together.write(key[:-1] + b"," + line[1:])
            return
        parsed = orjson.loads(line)
        rated = {"liked": parsed["kto_tag"]} if "kto_tag" in parsed else {}
        for suffix, messages in conversations_in(parsed):
            said = {"dataset": self.name + suffix, "row": row, "messages": messages} | rated
            self.together.write(orjson.dumps(said) + b"\n")

    def report(self, part: str) -> Report:
        """Its part of prepare.json."""
        sha256 = "sha256:" + self._digest.hexdigest()
        return {"name": self.name, "part": part, "rows": self.rows, "sha256_out": sha256}


@dataclass(slots=True)
class HeldOut:
    """Paraphrases as rows: a question that is not trained, with the answer of the trained row it is `of`.

    The loss and the answers on these rows show more than memorization.

    Attributes:
        paraphrases: trained question → its paraphrases, each a list of user turns.
        rows: the conversations made so far.
    """

    paraphrases: dict[str, list[list[str]]] = field(default_factory=dict)
    rows: list[Conversation] = field(default_factory=list)

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Self:
        """Read files of {"ask", "expect", "of"} lines, which are valid; lines without `of` are skipped."""
        paraphrases: dict[str, list[list[str]]] = {}
        for path in paths:
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line) if line.strip() else {}
                ask = row.get("ask", [])
                if "of" in row:
                    paraphrases.setdefault(row["of"], []).append([ask] if isinstance(ask, str) else list(ask))
        return cls(paraphrases)

    def see(self, conversation: Conversation) -> None:
        """Use a trained row: the first row of one turn with a question gives its paraphrases their answer."""
        users = [message["content"] for message in conversation if message["role"] == "user"]
        if len(users) != 1 or users[0] not in self.paraphrases:
            return
        for asks in self.paraphrases.pop(users[0]):
            if len(asks) == 1:
                self.rows.append(
                    [
                        {**message, "content": asks[0]} if message["role"] == "user" else message
                        for message in conversation
                    ]
                )


class Leaks:
    """Finds trained rows that ask what a row for validation or test asks.

    Memory grows with the rows for validation and test, not with the trained ones.
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[str, str]] = {}
        self._first: list[Problem] = []
        self._count = 0

    def see(self, example: Example, part: str, audit: Audit, number: int) -> None:
        """Take a row; rows for validation and test come first.

        Args:
            example: the row.
            part: "test", "validation", or "train" (which includes the parts that are split off it).
            audit: of its file.
            number: of the row.
        """
        if part == TRAIN and not self._held:
            return
        question = first_question(example)
        group = group_of(question)
        known = self._held.get(group)
        if known is None:
            if part != TRAIN:
                self._held[group] = part, audit.where(number)
            return
        other, where = known
        if other == part:
            return
        self._count += 1
        if len(self._first) < SHOWN:
            what = f"a {part} row asks the same as a {other} row ({where}): {excerpt(question)}"
            self._first.append(Problem(what, audit.where(number), "delete one of the two rows"))

    def problems(self) -> list[Problem]:
        """The first of them, and their number."""
        if not self._count:
            return []
        what = f"{self._count} rows ask the same as a row of another part: the scores would be too good"
        hint = "delete them from one part; or use one file and let `data.split` keep them together"
        return [*self._first, Problem(what, hint=hint)]


def _generated(settings: GeneratedSettings) -> list[Conversation]:
    if not settings.count:
        return []
    from orchestrator.templates.generated import generated_conversations
    from orchestrator.templates.generated_tools import conversations_with_tools

    made = generated_conversations(settings.seed, settings.count, settings.thoughts)
    return made + conversations_with_tools(settings.seed, settings.with_tools, settings.thoughts)


def _shown(path: Path, folder: Path) -> str:
    """The name of a file for messages: relative to the project or the run, if it is in one of them."""
    for root in (os.environ.get("CONCH_PROJECT"), folder):
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return str(path)
