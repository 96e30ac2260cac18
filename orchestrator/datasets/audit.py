"""One pass over a file's rows: lines out, and a ledger of what was dropped, fixed, or is only odd.

Strict unless it is told otherwise: nothing is repaired, every row that LLaMA-Factory would drop or train
wrongly is counted, and the first ones of each kind are kept to be shown. Memory does not grow with the rows,
but for what is remembered to find duplicates, which ends somewhere (seen.py).

A row that is plain at a glance (warnings.is_plain over its line, faults.is_whole over its texts) is looked at
no further: nearly every row is, and a closer look costs ten times as much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.datasets.base import (
    ASSISTANT,
    Conversation,
    Example,
    FileProblem,
    Format,
    KtoExample,
    Pair,
    Row,
    RowProblem,
    excerpt,
)
from orchestrator.datasets.faults import faults_of, is_whole
from orchestrator.datasets.fix_row import fix_row
from orchestrator.datasets.formats import columns_for
from orchestrator.datasets.repairs import repairs_for
from orchestrator.datasets.rows import Numbered
from orchestrator.datasets.seen import Duplicates
from orchestrator.datasets.tally import Counts
from orchestrator.datasets.targets import Spell, speller
from orchestrator.datasets.warnings import PERSONAL, is_plain, peculiarities, warnings_of
from orchestrator.errors import Problem

# A repair may bring another fault to light (a text that was nothing but control tokens); never without end.
ROUNDS = 4
# Values of one row that are repaired before it is given up.
MOST_VALUES = 10_000
DUPLICATE = "duplicate rows"
# A row's line as is_plain reads it, and as most files are written.
_PLAINLY = speller("sharegpt")

Drop = Callable[[int, list[RowProblem], Any], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done about what is found.

    Attributes:
        fix: apply the safe repairs. also: names of repairs.OPTIONAL to apply with them.
        drop_bad: leave out rows with faults instead of refusing the file.
        thorough: look for what takes longer to see, too.
    """

    fix: bool = False
    also: frozenset[str] = frozenset()
    drop_bad: bool = False
    thorough: bool = False


@dataclass
class Audit:
    """Reads the rows of one file, and knows afterwards what it saw.

    Attributes:
        file: the file's name, as people know it.
        format: how a row is read.
        given: the columns that the data set's entry names; the others keep the format's names.
        columns: what each part is called in this file, known after its first whole row.
        rules: what is done about what is found.
        spell: writes a row as one line.
        place: a row's number → where that is, for people. drop: told of every row left out: number, why, row.
        rows, kept: rows read, rows that are whole. turns_in, turns: answers read, answers in the rows kept.
        bad: rows with faults. cut_short: whether the file could not be read to its end.
        faults, odd, fixed: kinds and first places of what must be fixed, may be of interest, was repaired.
        unread: key → rows that hold it and whose value is not used.
    """

    file: str
    format: Format
    given: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict, init=False)
    rules: Rules = field(default_factory=Rules)
    spell: Spell = field(default_factory=lambda: _PLAINLY)
    place: Callable[[int], str] | None = None
    drop: Drop | None = None
    rows: int = 0
    kept: int = 0
    turns_in: int = 0
    turns: int = 0
    bad: int = 0
    cut_short: bool = False
    faults: Counts = field(default_factory=Counts)
    odd: Counts = field(default_factory=Counts)
    fixed: Counts = field(default_factory=Counts)
    unread: Counter[str] = field(default_factory=Counter)
    _seen: Duplicates = field(default_factory=Duplicates)

    @property
    def counts(self) -> Counter[str]:
        """Kind of fault → rows."""
        return self.faults.counts

    @property
    def warnings(self) -> Counter[str]:
        """Kind of oddity → rows."""
        return self.odd.counts

    def examples(self, rows: Iterable[Numbered]) -> Iterator[tuple[int, Example, bytes]]:
        """The number, the content and the line of every row that is kept."""
        columns, used = self.columns, set[str]()
        examine, seen = self._examine, self._relation
        for number, row in rows:
            self.rows += 1
            if isinstance(row, RowProblem):
                self._refuse(number, [row], None)
                continue
            if not columns:
                columns = self.columns = columns_for(self.format.name, row, self.given)
                used = set(columns.values())
            if not row.keys() <= used:
                self.unread.update(row.keys() - used)
            kept = examine(number, row, columns)
            if kept is None:
                continue
            example, line, answers = kept
            if (relation := seen(example)) and self._is_repeated(number, example, relation):
                continue
            self.kept += 1
            self.turns += answers
            yield number, example, line

    def _examine(
        self, number: int, row: Row, columns: Mapping[str, str]
    ) -> tuple[Example, bytes, int] | None:
        """What a row says, its line, and how many answers there are; None when it is refused."""
        try:
            example = self.format.read(row, columns)
        except RowProblem as problem:
            fixed = self._fix(number, row, columns, problem)
            if fixed is None:
                return None
            example = fixed
        line = _PLAINLY(example)
        if type(example) is list and is_plain(line) and not self.rules.thorough and is_whole(example):
            answers = len(example) // 2
            self.turns_in += answers
        else:
            looked_at = self._look(number, row, example)
            if looked_at is None:
                return None
            changed, answers = looked_at
            if changed is not example:
                example, line = changed, _PLAINLY(changed)
        if self.spell is _PLAINLY:
            return example, line, answers
        try:
            return example, self.spell(example), answers
        except RowProblem as problem:
            self._refuse(number, [problem], row)
            return None

    def conversations(self, rows: Iterable[Numbered]) -> Iterator[tuple[int, Conversation]]:
        """The number and the conversation of every row that is kept; of a format of conversations."""
        for number, example, _ in self.examples(rows):
            if isinstance(example, list):
                yield number, example

    def counted(self) -> dict[str, Any]:
        """What it saw, as prepare.json and `conch data audit --json` say it."""
        return {
            "file": self.file,
            "rows_in": self.rows,
            "rows_kept": self.kept,
            "turns_in": self.turns_in,
            "turns": self.turns,
            "warnings": dict(self.warnings),
            "repairs": dict(self.fixed.counts),
            "dropped": dict(self.counts) if self.rules.drop_bad else {},
            "keys_not_used": dict(self.unread),
        }

    def problems(self, *, fix: str = "fix: true", drop: str = "drop_bad: true") -> list[Problem]:
        """What must be fixed: the first rows of each kind, and the count; empty when nothing must.

        Args:
            fix: what a person writes to have rows repaired; as it stands in a data set's entry.
            drop: what a person writes to have rows left out.
        """
        if not self.rows:
            return [Problem("0 rows: there is nothing to train on", self.file)]
        if self.rules.drop_bad and self.kept and not self.cut_short:
            return []
        listed = self.faults.problems()
        if listed:
            kinds = ", ".join(f"{kind} {count}" for kind, count in self.counts.most_common())
            what = f"{self.bad} of {self.rows} rows would be dropped or trained wrongly ({kinds})"
            ways = [f"{fix} fixes what can be fixed safely"] * (not self.rules.fix)
            ways += [f"{drop} leaves such rows out"] * (not self.rules.drop_bad)
            hint = "; ".join([*ways, "or fix them"] if ways else ["fix or delete them"])
            listed.append(Problem(what, self.file, hint))
        return listed

    def where(self, number: int) -> str:
        """A row's place, as people know it."""
        return self.place(number) if self.place else f"{self.file}:{number}"

    def _fix(self, number: int, row: Row, columns: Mapping[str, str], problem: RowProblem) -> Example | None:
        """What a row says once its values are repaired; None, and it is refused, when they cannot be."""
        kinds: list[tuple[str, str]] = []
        while self.rules.fix and fix_row(problem) and len(kinds) < MOST_VALUES:
            kinds.append((problem.kind, problem.what))
            try:
                example = self.format.read(row, columns)
            except RowProblem as another:
                problem = another
            else:
                for kind, what in dict(kinds).items():
                    self.fixed.add(kind, what, self.where(number))
                return example
        self._refuse(number, [problem], row)
        return None

    def _look(self, number: int, row: Row, example: Example) -> tuple[Example, int] | None:
        """The example, repaired where the rules say so, and its answers; None when it is refused."""
        self.turns_in += _answers(example)
        found, odd = list(faults_of(example)), list(warnings_of(_said(example)))
        if self.rules.fix and isinstance(example, list):
            example, found, odd = self._repaired(number, example, found, odd)
        if found:
            self._refuse(number, found, row)
            return None
        if self.rules.thorough:
            odd += peculiarities(_said(example))
        for kind, text in dict(odd).items():
            self.odd.add(kind, kind if kind in PERSONAL else f"{kind}: {excerpt(text)}", self.where(number))
        return example, _answers(example)

    def _repaired(
        self, number: int, conversation: Conversation, found: list[RowProblem], odd: list[tuple[str, str]]
    ) -> tuple[Conversation, list[RowProblem], list[tuple[str, str]]]:
        """The conversation after the repairs that its faults and warnings_of ask for; what is left."""
        repairs = repairs_for(self.rules.also)
        done: dict[str, None] = {}
        for _ in range(ROUNDS):
            kinds = {problem.kind for problem in found} | {kind for kind, _ in odd}
            before = conversation
            for kind in [kind for kind in repairs if kind in kinds]:
                after = repairs[kind](conversation)
                if after != conversation:
                    done[kind], conversation = None, after
            if conversation == before:
                break
            found, odd = list(faults_of(conversation)), list(warnings_of(conversation))
        for kind in done:
            self.fixed.add(kind, kind, self.where(number))
        return conversation, found, odd

    def _relation(self, example: Example) -> str:
        return self._seen.relation(example if type(example) is list else _said(example))

    def _is_repeated(self, number: int, example: Example, relation: str) -> bool:
        """Count how a row relates to one before; whether it is the same, and is left out for it."""
        if relation == DUPLICATE and self.rules.fix:
            self.fixed.add(relation, "the row was there before", self.where(number))
            return True
        self.odd.add(relation, f"{relation}: {excerpt(_said(example)[0]['content'])}", self.where(number))
        return False

    def _refuse(self, number: int, found: list[RowProblem], row: Any) -> None:
        self.bad += 1
        self.cut_short |= any(isinstance(problem, FileProblem) for problem in found)
        self.counts.update({problem.kind for problem in found})
        for problem in found:
            self.faults.show(problem.kind, problem.what, self.where(number), problem.hint)
        if self.drop:
            self.drop(number, found, row)


def _said(example: Example) -> Conversation:
    """What an example says, as messages."""
    if isinstance(example, list):
        return example
    if isinstance(example, Pair):
        answers = [{"role": ASSISTANT, "content": text} for text in (example.chosen, example.rejected)]
        return [*example.prompt, *answers]
    if isinstance(example, KtoExample):
        return example.conversation
    return [{"role": "document", "content": example.text}]


def _answers(example: Example) -> int:
    return sum(message["role"] == ASSISTANT for message in _said(example))
