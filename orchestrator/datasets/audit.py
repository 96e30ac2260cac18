"""One pass over a file's rows: lines out, and counts of faults, warnings and repairs.

Strict by default: nothing is repaired, every row that LLaMA-Factory would drop or train wrongly is counted,
and the first rows of each kind are kept to be shown. Memory does not grow with the rows, except for what
finds duplicates, which has a limit (duplicates.py).

Nearly every row is plain at a glance (warnings.is_plain for its line, faults.is_whole for its texts) and is
checked no further: a closer look costs ten times as much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from orchestrator.datasets.base import (
    ASSISTANT,
    Conversation,
    Example,
    FileProblem,
    Pair,
    Row,
    RowProblem,
    excerpt,
    mapped,
    messages_of,
)
from orchestrator.datasets.duplicates import Duplicates
from orchestrator.datasets.faults import ANSWERING, faults_of, is_whole
from orchestrator.datasets.formats import columns_for
from orchestrator.datasets.formats.base import Columns, Format, media_in
from orchestrator.datasets.preferences import compared, tally_of
from orchestrator.datasets.repairs import fix_value, repairs_for
from orchestrator.datasets.rows import Numbered
from orchestrator.datasets.targets import WriteRow, sharegpt_line
from orchestrator.datasets.tool_rows import beside_tools, without_tools
from orchestrator.datasets.warnings import PERSONAL, is_plain, peculiarities, warnings_of
from orchestrator.errors import Problem

# A repair may reveal another fault (a text of nothing but control tokens), so repairs run in rounds.
ROUNDS = 4
# Values of one row that are repaired before it is refused.
MOST_VALUES = 10_000
# Rows of a kind that are kept to be shown.
SHOWN_OF_A_KIND = 3
DUPLICATE, SEVERAL = "duplicate rows", "one question, several answers"
# Of two rows that say the opposite: the same two answers, or the same answer with the other label.
CONTRADICTION = "rated both ways"
# `tick` is called once for so many rows.
TICK = 256

# Takes a dropped row: its number, its problems, and the row if it could be read.
Drop = Callable[[int, list[RowProblem], Row | None], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """What to do with faulty rows.

    Attributes:
        fix: apply the safe repairs. also: names in repairs.OPTIONAL to apply as well.
        drop_bad: drop rows with faults instead of refusing the file.
        thorough: make the slow checks, too.
    """

    fix: bool = False
    also: frozenset[str] = frozenset()
    drop_bad: bool = False
    thorough: bool = False


@dataclass
class Counts:
    """Counts by kind, and the first locations of each.

    Attributes:
        counts: kind → rows.
        first: kind → the first problems, in the order of the file.
    """

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[Problem]] = field(default_factory=dict)

    def add(self, kind: str, what: str, where: str, hint: str = "") -> None:
        """Count one, and keep it if it is among the first of its kind."""
        self.counts[kind] += 1
        self.show(kind, what, where, hint)

    def show(self, kind: str, what: str, where: str, hint: str = "") -> None:
        """Keep one if it is among the first of its kind, without counting."""
        first = self.first.setdefault(kind, [])
        if len(first) < SHOWN_OF_A_KIND:
            first.append(Problem(what, where, hint))

    def problems(self) -> list[Problem]:
        """The first of every kind."""
        return [problem for problems in self.first.values() for problem in problems]

    def to_json(self) -> dict[str, object]:
        """Kind → {"rows", "first": [{"where", "what"}]}."""
        return {
            kind: {
                "rows": count,
                "first": [{"where": one.where, "what": one.what} for one in self.first.get(kind, [])],
            }
            for kind, count in self.counts.most_common()
        }


@dataclass
class Audit:
    """Reads the rows of one file and counts what is wrong with them.

    Attributes:
        file: the file's name, for messages.
        format: how a row is read.
        named: the columns that the dataset's entry names; the others keep the format's names.
        columns: the column name of every part, known after the first whole row.
        rules: what to do with faulty rows.
        write: writes a row as one line.
        locate: a row's number → its location, for messages. drop: takes every dropped row.
        tick: called with the number of rows, once for every TICK rows.
        rows, kept: rows read, rows kept. turns_in, turns: answers read, answers in the kept rows.
        bad: rows with faults. cut_short: whether the file could not be read to its end.
        declares: whether rows declare tools.
        faults, warnings, fixed: kinds and first locations of what must be fixed, looks odd, was repaired.
        first: number of the first row that was kept; 0 before.
        unread: key → rows that have it and whose value is not used.
        tally: what the kept rows of a purpose other than "sft" say, in a few words (tally_of) → rows.
    """

    file: str
    format: Format
    named: Columns = field(default_factory=dict)
    columns: Columns = field(default_factory=dict, init=False)
    rules: Rules = field(default_factory=Rules)
    write: WriteRow = sharegpt_line
    locate: Callable[[int], str] | None = None
    drop: Drop | None = None
    tick: Callable[[int], None] | None = None
    rows: int = 0
    kept: int = 0
    turns_in: int = 0
    turns: int = 0
    bad: int = 0
    cut_short: bool = False
    declares: bool = False
    faults: Counts = field(default_factory=Counts)
    warnings: Counts = field(default_factory=Counts)
    fixed: Counts = field(default_factory=Counts)
    unread: Counter[str] = field(default_factory=Counter)
    tally: Counter[str] = field(default_factory=Counter)
    first: int = 0
    _before: Duplicates = field(default_factory=Duplicates)

    def examples(self, rows: Iterable[Numbered]) -> Iterator[tuple[int, Example, bytes]]:
        """The number, the example and the line of every row that is kept."""
        columns, used = self.columns, set[str]()
        examine, relation_of, tick = self._examine, self._relation, self.tick
        for number, row in rows:
            self.rows = count = self.rows + 1
            if not count & TICK - 1 and tick is not None:
                tick(count)
            if isinstance(row, RowProblem):
                self._refuse(number, [row], None)
                continue
            if not columns:
                columns = self.columns = columns_for(self.format.name, row, self.named)
                used = set(columns.values())
            if not row.keys() <= used:
                others = row.keys() - used
                self.unread.update(others)
                if media := media_in(row, others):
                    self._refuse(number, [media], row)
                    continue
            examined = examine(number, row, columns)
            if examined is None:
                continue
            example, line, answers = examined
            if (relation := relation_of(example)) and self._is_repeated(number, example, relation):
                continue
            if type(example) is not list:
                self.tally[tally_of(example)] += 1
            self.kept += 1
            self.first = self.first or number
            self.turns += answers
            yield number, example, line

    def _examine(self, number: int, row: Row, columns: Columns) -> tuple[Example, bytes, int] | None:
        """The example of a row, its line, and its number of answers; None if the row is refused."""
        try:
            example = self.format.read(row, columns)
        except RowProblem as problem:
            fixed = self._fix(number, row, columns, problem)
            if fixed is None:
                return None
            example = fixed
        line = sharegpt_line(example)
        if type(example) is list and is_plain(line) and not self.rules.thorough and is_whole(example):
            answers = len(example) // 2
            self.turns_in += answers
        else:
            looked_at = self._look(number, row, example)
            if looked_at is None:
                return None
            changed, answers = looked_at
            if changed is not example:
                example, line = changed, sharegpt_line(changed)
        if self.write is sharegpt_line:
            return example, line, answers
        try:
            return example, self.write(example), answers
        except RowProblem as problem:
            self._refuse(number, [problem], row)
            return None

    def counted(self) -> dict[str, object]:
        """The counts, as prepare.json and `conch data audit --json` have them."""
        return {
            "file": self.file,
            "rows_in": self.rows,
            "rows_kept": self.kept,
            "turns_in": self.turns_in,
            "turns": self.turns,
            "warnings": dict(self.warnings.counts),
            "repairs": dict(self.fixed.counts),
            "dropped": dict(self.faults.counts) if self.rules.drop_bad else {},
            "keys_not_used": dict(self.unread),
            **({"tally": dict(self.tally)} if self.tally else {}),
        }

    def problems(self, *, fix: str = "fix: true", drop: str = "drop_bad: true") -> list[Problem]:
        """What must be fixed: the first rows of each kind, and the count; empty if there is nothing.

        Args:
            fix: the setting or option that repairs rows, for the hint.
            drop: the setting or option that drops rows, for the hint.
        """
        if not self.rows:
            return [Problem("0 rows: nothing to train on", self.file)]
        if self.rules.drop_bad and self.kept and not self.cut_short:
            return []
        problems = self.faults.problems()
        if problems:
            kinds = ", ".join(f"{kind} {count}" for kind, count in self.faults.counts.most_common())
            what = f"{self.bad} of {self.rows} rows would be dropped or trained wrongly ({kinds})"
            ways = [f"{fix} makes the safe repairs"] * (not self.rules.fix)
            ways += [f"{drop} drops such rows"] * (not self.rules.drop_bad)
            hint = "; ".join([*ways, "or fix them"] if ways else ["fix or delete them"])
            problems.append(Problem(what, self.file, hint))
        return problems

    def where(self, number: int) -> str:
        """The location of a row, for messages."""
        return self.locate(number) if self.locate else f"{self.file}:{number}"

    def _fix(self, number: int, row: Row, columns: Columns, problem: RowProblem) -> Example | None:
        """The example of a row once its values are repaired; None if they cannot be."""
        kinds: list[tuple[str, str]] = []
        while self.rules.fix and fix_value(problem) and len(kinds) < MOST_VALUES:
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
        """The example, repaired if the rules say so, and its answers; None if the row is refused."""
        self.turns_in += _answers(example)
        self.declares |= bool(without_tools(_messages(example))[0])
        faults, warnings = list(faults_of(example)), list(warnings_of(_messages(example)))
        if self.rules.fix:
            example, faults, warnings = self._repaired(number, example, faults, warnings)
        if faults:
            self._refuse(number, faults, row)
            return None
        if self.rules.thorough:
            warnings += peculiarities(messages_of(example))
        for kind, text in dict(warnings).items():
            what = kind if kind in PERSONAL else f"{kind}: {excerpt(text)}"
            self.warnings.add(kind, what, self.where(number))
        return example, _answers(example)

    def _repaired(
        self,
        number: int,
        example: Example,
        faults: list[RowProblem],
        warnings: list[tuple[str, str]],
    ) -> tuple[Example, list[RowProblem], list[tuple[str, str]]]:
        """The example after the repairs for its faults and warnings, and what is left of them."""
        repairs = repairs_for(self.rules.also)
        done: dict[str, None] = {}
        for _ in range(ROUNDS):
            kinds = {problem.kind for problem in faults} | {kind for kind, _ in warnings}
            before = example
            for kind in [kind for kind in repairs if kind in kinds]:
                after = mapped(example, beside_tools(repairs[kind]))
                if after != example:
                    done[kind], example = None, after
            if example == before:
                break
            faults, warnings = list(faults_of(example)), list(warnings_of(_messages(example)))
        for kind in done:
            self.fixed.add(kind, kind, self.where(number))
        return example, faults, warnings

    def _relation(self, example: Example) -> str:
        if type(example) is list:
            tools, turns = without_tools(example)
            if tools:  # the same question with other tools is another one
                turns = [{**turns[0], "content": tools + turns[0]["content"]}, *turns[1:]] if turns else []
            return self._before.relation(turns) if turns else ""
        relation = self._before.relation(compared(example))
        return CONTRADICTION if relation == SEVERAL else relation

    def _is_repeated(self, number: int, example: Example, relation: str) -> bool:
        """Count how a row relates to an earlier one; whether it is a duplicate that is dropped."""
        if relation == DUPLICATE and self.rules.fix:
            self.fixed.add(relation, "an earlier row is the same", self.where(number))
            return True
        first = without_tools(_messages(example))[1][0]["content"]
        what = f"{relation}: {excerpt(first)}"
        self.warnings.add(relation, what, self.where(number))
        return False

    def _refuse(self, number: int, problems: list[RowProblem], row: Row | None) -> None:
        self.bad += 1
        self.cut_short |= any(isinstance(problem, FileProblem) for problem in problems)
        self.faults.counts.update({problem.kind for problem in problems})
        for problem in problems:
            self.faults.show(problem.kind, problem.what, self.where(number), problem.hint)
        if self.drop:
            self.drop(number, problems, row)


def _messages(example: Example) -> Conversation:
    """The messages of an example; of a pair, both answers."""
    messages = messages_of(example)
    if isinstance(example, Pair):
        return [*messages, {"role": ASSISTANT, "content": example.rejected}]
    return messages


def _answers(example: Example) -> int:
    return sum(message["role"] in ANSWERING for message in _messages(example))
