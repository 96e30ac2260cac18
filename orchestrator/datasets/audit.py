"""One pass over a file's rows: conversations out, and a ledger of what would be dropped or trained wrongly.

Strict: nothing is repaired, every row that LLaMA-Factory would drop or train wrongly is counted, and the
first ones of each kind are kept to be shown. Memory does not grow with the rows, but for the fingerprints
that find duplicates, which stop at a fixed number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.datasets.base import ASSISTANT, Adapter, Conversation, Row, RowProblem, read_conversation
from orchestrator.datasets.faults import faults, oddities
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem

SHOWN_OF_A_KIND = 3
FINGERPRINTS = 200_000


@dataclass
class Audit:
    """Reads the rows of one file, and knows afterwards what it saw.

    Attributes:
        file: the file's name, as people know it.
        adapter: how a row is read.
        given: the columns that the data set's entry names; the others keep the adapter's names.
        rows, kept, turns: rows read, rows that are whole, answers in them.
        counts: kind → rows with that fault. warnings: kind → rows; they are trained all the same.
        unread: key → rows that hold it and whose value is not used.
    """

    file: str
    adapter: Adapter
    given: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    kept: int = 0
    turns: int = 0
    bad: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    _first: dict[str, list[Problem]] = field(default_factory=dict)
    _answers: dict[int, int] = field(default_factory=dict)

    def conversations(self, rows: Iterable[Numbered]) -> Iterator[tuple[int, Conversation]]:
        """The line and the conversation of every row that is whole."""
        columns = {**self.adapter.columns, **self.given}
        used = set(columns.values())
        for line, row in rows:
            self.rows += 1
            found, conversation = self._read(row, columns)
            if isinstance(row, Mapping):
                self.unread.update(row.keys() - used)
            if found:
                self.bad += 1
                self._note(line, found)
            else:
                self.kept += 1
                self.turns += sum(message["role"] == ASSISTANT for message in conversation)
                self.warnings.update(set(oddities(conversation)))
                self._compare(conversation)
                yield line, conversation

    def counted(self) -> dict[str, Any]:
        """What it saw, as prepare.json and `conch data audit --json` say it."""
        return {
            "file": self.file,
            "rows_in": self.rows,
            "rows_kept": self.kept,
            "turns": self.turns,
            "warnings": dict(self.warnings),
            "keys_not_used": dict(self.unread),
        }

    def problems(self) -> list[Problem]:
        """What must be mended: the first rows of each kind, and the count; empty when every row is whole."""
        if not self.rows:
            return [Problem("0 rows: there is nothing to train on", self.file)]
        listed = [problem for problems in self._first.values() for problem in problems]
        if listed:
            kinds = ", ".join(f"{kind} {count}" for kind, count in self.counts.most_common())
            what = f"{self.bad} of {self.rows} rows would be dropped or trained wrongly ({kinds})"
            listed.append(Problem(what, self.file, "mend or delete them, then type the same command again"))
        return listed

    def _read(
        self, row: Row | RowProblem, columns: Mapping[str, str]
    ) -> tuple[list[RowProblem], Conversation]:
        if isinstance(row, RowProblem):
            return [row], []
        try:
            conversation = read_conversation(self.adapter, row, columns)
        except RowProblem as problem:
            return [problem], []
        return list(faults(conversation)), conversation

    def _note(self, line: int, found: list[RowProblem]) -> None:
        self.counts.update({problem.kind for problem in found})
        for problem in found:
            first = self._first.setdefault(problem.kind, [])
            if len(first) < SHOWN_OF_A_KIND:
                first.append(Problem(problem.what, f"{self.file}:{line}", problem.mend))

    def _compare(self, conversation: Conversation) -> None:
        """Count a row that was there before, and a question that has another answer elsewhere."""
        texts = [(message["role"], message["content"]) for message in conversation]
        question, answer = hash(tuple(texts[:-1])), hash(texts[-1])
        before = self._answers.get(question)
        if before is not None:
            self.warnings["duplicate rows" if before == answer else "one question, several answers"] += 1
        elif len(self._answers) < FINGERPRINTS:
            self._answers[question] = answer
