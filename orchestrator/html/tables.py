"""The tables of a run's report, each column defined once for the page and the model card. Pure.

To add a column, add a Column to its table here, and its heading to WORDS in words.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from orchestrator.evaluation.comparison import Compared, Difference
from orchestrator.evaluation.numbers import Mean, Numbers
from orchestrator.html.facts import DataFacts, SpreadFacts, TrialFacts, VerdictFacts
from orchestrator.html.layout import share
from orchestrator.html.words import Words
from orchestrator.results import PartJson

_RATES = ("checks", "paraphrases", "general")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text and a fainter note; or a badge, if `good` is not None.

    `style` is a CSS class of the page: "n" for numbers, "text" for text that wraps.
    """

    text: str = ""
    note: str = ""
    good: bool | None = None
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """A column: its heading in WORDS ("" for none), and the cell of a row."""

    heading: str
    cell: Callable[[Row, Words], Cell]


@dataclass(frozen=True, slots=True)
class Table:
    """A table to render: (heading, style) of each column, and the cells of each row."""

    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One question with the answers of both models; `before` is None if the base was not asked.

    `passed` and `before_passed` are None if the answer is not judged. `checks` are the
    verdicts on the tuned model.
    """

    question: str
    before: str | None
    before_passed: bool | None
    after: str
    passed: bool | None
    checks: tuple[VerdictFacts, ...]


def _text(text: str, note: str = "") -> Cell:
    return Cell(text, note, style="text")


def _number(text: str, note: str = "") -> Cell:
    return Cell(text, note, style="n")


def _badge(passed: bool | None, words: Words) -> Cell:  # noqa: FBT001
    return Cell(words.say("not_judged") if passed is None else "", good=passed)


_QUESTION: Column[VerdictFacts] = Column("question", lambda one, _: _text(one["question"]))
_CHECK: Column[VerdictFacts] = Column("check", lambda one, _: Cell(one["check"]))
_EXPECTED: Column[VerdictFacts] = Column("expected", lambda one, _: _text(one["expected"]))
_ANSWER: Column[VerdictFacts] = Column("answer", lambda one, _: _text(one["answer"]))
_VERDICT: Column[VerdictFacts] = Column("verdict", lambda one, words: _badge(one["passed"], words))
_REASON: Column[VerdictFacts] = Column("reason", lambda one, _: _text(one["reason"]))
VERDICTS = (_QUESTION, _CHECK, _EXPECTED, _VERDICT, _REASON)
FAILURES = (_QUESTION, _CHECK, _EXPECTED, _ANSWER, _REASON)

_BASE: tuple[Column[CaseRow], ...] = (
    Column("base", lambda one, _: _text(one.before or "")),
    Column("verdict", lambda one, words: Cell() if one.before is None else _badge(one.before_passed, words)),
)
TUNED: tuple[Column[CaseRow], ...] = (
    Column("question", lambda one, _: _text(one.question)),
    Column("tuned", lambda one, _: _text(one.after)),
    Column("verdict", lambda one, words: _badge(one.passed, words)),
)
BEFORE_AND_AFTER = (TUNED[0], *_BASE, *TUNED[1:])

TARGET: tuple[Column[PartJson], ...] = (
    Column("", lambda part, words: Cell(words.named(part["name"]))),
    Column("required", lambda part, _: _number(_aim(part["name"], part["required"]))),
    Column("actual", lambda part, _: _number(_aim(part["name"], part["actual"]))),
    Column("verdict", lambda part, _: Cell(good=part["met"])),
    Column("", lambda part, _: _text(part["sentence"])),
)

DATA: tuple[Column[DataFacts], ...] = (
    Column("data_set", lambda one, _: Cell(one["name"])),
    Column("part", lambda one, words: Cell(words.part(one["part"]))),
    Column("rows", lambda one, _: _number(f"{one['rows']:,}")),
    Column("answers", lambda one, _: _number(f"{one['answers']:,}")),
    Column("tokens", lambda one, _: _number(_spread(one["tokens"]))),
    Column("characters", lambda one, _: _number(_spread(one["characters"]["answer"]))),
    Column("languages", lambda one, words: _text(_languages(one, words))),
)


def trial_columns(best: int | None) -> tuple[Column[TrialFacts], ...]:
    """The columns of a sweep's trials; the best one has a star."""
    return (
        Column(
            "trial",
            lambda one, _: _number(("★ " if one.get("number") == best else "") + plain(one.get("number"))),
        ),
        Column("recipe_values", lambda one, _: _text(plain(one.get("settings")), one.get("sentence", ""))),
        Column("score", lambda one, _: _number(plain(one.get("score")))),
        Column("status", lambda one, words: Cell(words.named(one.get("status", "")))),
        Column("minutes", lambda one, _: _number(plain(one.get("minutes")))),
        Column("run", lambda one, _: Cell(one.get("run", ""))),
    )


def table_of(columns: Sequence[Column[Row]], rows: Iterable[Row], words: Words) -> Table:
    """A table to render."""
    cells = tuple(tuple(column.cell(row, words) for column in columns) for row in rows)
    styles = [cell.style for cell in cells[0]] if cells else [""] * len(columns)
    heads = (words.say(column.heading) if column.heading else "" for column in columns)
    return Table(tuple(zip(heads, styles, strict=True)), cells)


def metrics_table(systems: Mapping[str, Numbers], words: Words) -> Table:
    """The numbers of an evaluation, a column per system."""
    say, all_numbers = words.say, list(systems.values())
    names = list(all_numbers[0]["metrics"])
    rows = [(say("answered"), [Cell(f"{one['answered']} / {one['samples']}") for one in all_numbers])]
    rows += [(name, [_interval(one["metrics"].get(name)) for one in all_numbers]) for name in names]
    if any(one["with_thinking"] for one in all_numbers):
        rows += [
            (
                say("with_thinking", name=name),
                [_interval((one["with_thinking"] or {}).get(name)) for one in all_numbers],
            )
            for name in names
        ]
    rows.append((say("perplexity"), [_perplexity(one, words) for one in all_numbers]))
    lengths = [one["length"] for one in all_numbers]
    longest = [say("longest", count=length["longest"]) for length in lengths]
    pairs = zip(lengths, longest, strict=True)
    rows.append((say("length"), [Cell(f"{plain(length['mean'])}, {most}") for length, most in pairs]))
    rows.append((say("ended_by"), [Cell(plain(one["stops"]).replace(": ", " ")) for one in all_numbers]))
    heads = (say("metric"), *map(words.named, systems))
    return Table(tuple((head, "") for head in heads), tuple((Cell(name), *cells) for name, cells in rows))


def comparison_table(found: Compared, words: Words) -> Table:
    """The differences between two models."""
    rows = [
        (Cell(name), _number(f"{one['a']:.2f}"), _number(f"{one['b']:.2f}"), _difference(one))
        for name, one in found["metrics"].items()
    ]
    for kind, one in found["passed"].items():
        (good_a, of_a), (good_b, of_b) = one["a"], one["b"]
        apart = f"{good_b - good_a:+d}" if of_a == of_b else ""
        both = (_number(f"{good_a} / {of_a}"), _number(f"{good_b} / {of_b}"))
        rows.append((Cell(words.named(kind)), *both, _number(apart)))
    names = (words.named(found["a"]), words.named(found["b"]), words.say("difference"))
    return Table(((words.say("metric"), ""), *((name, "n") for name in names)), tuple(rows))


def plain(value: object) -> str:
    """A recipe's value, or a number, as text."""
    if isinstance(value, bool) or value is None:
        return str(value).lower() if value is not None else "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value)) or "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {plain(one)}" for key, one in value.items()) or "–"
    return str(value)


def _aim(name: str, value: float | None) -> str:
    """A threshold or a result; rates in per cent."""
    return f"{value:.1%}" if name in _RATES and isinstance(value, int | float) else plain(value)


def _spread(spread: SpreadFacts | None) -> str:
    """The median and the longest."""
    return f"{spread['percentiles']['50']:,} · {spread['most']:,}" if spread and spread["count"] else "–"


def _languages(one: DataFacts, words: Words) -> str:
    shares = ((words.tongue(name), share(count, one["counted"])) for name, count in one["languages"].items())
    return ", ".join(f"{name} {part}" for name, part in shares)


def _interval(one: Mean | None) -> Cell:
    return Cell(f"{one['mean']:.2f}", f"[{one['low']:.2f}, {one['high']:.2f}]") if one else Cell("–")


def _perplexity(one: Numbers, words: Words) -> Cell:
    found = one["perplexity"]
    if found:
        return Cell(f"{found['value']:.3f}", f"[{found['low']:.3f}, {found['high']:.3f}]", style="text")
    return Cell(words.say("not_measured"), words.quote(one["perplexity_missing"]), style="text")


def _difference(one: Difference) -> Cell:
    return _number(f"{one['difference']:+.2f}", f"[{one['low']:+.2f}, {one['high']:+.2f}]")
