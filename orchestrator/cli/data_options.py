"""What the verbs of `conch data` share: options for reading and repairing, and lines of their results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar, Unpack

import click

from orchestrator.cli.verb import Outcome
from orchestrator.datasets.json_text import MOST_LIMITS

if TYPE_CHECKING:
    from orchestrator.datasets.audit import Audit
    from orchestrator.execute.data.data_file import AuditedFile, DataOptions

_Body = TypeVar("_Body", bound=Callable[..., Outcome])
ALSO = ("merge-turns", "markup", "mask-pii", "json")

Lines = Iterator[tuple[str, object]]

file_argument = click.argument("file", type=click.Path(path_type=Path), metavar="FILE")


class ReadingArguments(TypedDict):
    """The values of reading_options."""

    format_name: str
    columns: Sequence[str]
    items: str
    sheet: str
    part: str
    limits: int


class DataArguments(ReadingArguments, total=False):
    """The values of reading_options and repair_options."""

    fix: bool
    drop_bad: bool
    also: Sequence[str]


def reading_options(function: _Body) -> _Body:
    """--format, --column, --items, --sheet, --part and --limits: how a file is read."""
    for option in (
        click.option(
            "--limits",
            type=click.IntRange(1, MOST_LIMITS),
            default=1,
            metavar="N",
            help="Allow N times the usual size of a row, expansion, memory and processor time.",
        ),
        click.option("--part", default="", metavar="NAME", help="Saved dataset: the split to read."),
        click.option("--sheet", default="", metavar="NAME", help="Workbook: the sheet to read."),
        click.option(
            "--items",
            default="",
            metavar="PATH",
            help="XML: the path of a row, for example faq/item. Text: line, paragraph or file.",
        ),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="PART=NAME",
            help="The column of a part in this file. Repeatable.",
        ),
        click.option(
            "--format",
            "format_name",
            default="",
            metavar="NAME",
            help="The format of a row (docs/data.md); default: that of the first row.",
        ),
    ):
        function = option(function)
    return function


def repair_options(function: _Body) -> _Body:
    """--fix, --also and --drop-bad: what is done about faults."""
    for option in (
        click.option("--drop-bad", is_flag=True, help="Drop rows with faults, and list them in a file."),
        click.option(
            "--also",
            multiple=True,
            type=click.Choice(ALSO),
            help="With --fix: a repair that changes what somebody wrote. Repeatable.",
        ),
        click.option("--fix", is_flag=True, help="Make the safe repairs, and count them."),
    ):
        function = option(function)
    return function


def _columns(words: Sequence[str]) -> Mapping[str, str]:
    columns = dict(word.partition("=")[::2] for word in words)
    wrong = [part for part, name in columns.items() if not name]
    if wrong:
        raise click.UsageError(f"--column {wrong[0]}: must be PART=NAME")
    return columns


def data_options(**values: Unpack[DataArguments]) -> DataOptions:
    """The values of reading_options and repair_options as DataOptions.

    Raises:
        click.UsageError: --also without --fix, or a column without a name.
    """
    from orchestrator.datasets.audit import Rules
    from orchestrator.execute.data.data_file import DataOptions, Reading

    fix, also = values.get("fix", False), values.get("also", ())
    if also and not fix:
        raise click.UsageError(f"--also {also[0]} needs --fix")
    rules = Rules(fix=fix, also=frozenset(also) - {"json"}, drop_bad=values.get("drop_bad", False))
    reading = Reading(
        items=values["items"],
        sheet=values["sheet"],
        split=values["part"],
        fix=fix,
        fix_json="json" in also,
        limits=values["limits"],
    )
    return DataOptions(values["format_name"], _columns(values["columns"]), reading, rules)


def as_text(lines: Iterable[tuple[str, object]]) -> str:
    """Lines of a title and a text."""
    return "\n".join(f"{title:<13} {text}" for title, text in lines)


def format_lines(file: AuditedFile) -> Lines:
    """The format that was found, and how the file was read."""
    why = ": the format of the first whole row; choose another with --format" if file.sniffed else ""
    yield "read as", file.format + why
    for note in file.notes:
        yield "note", note


def count_lines(audit: Audit) -> Lines:
    """Repairs, dropped rows, what they say, warnings and unused keys."""
    from orchestrator.datasets.preferences import tally_lines

    for kind, count in audit.fixed.counts.most_common():
        yield "repaired", f"{kind}: {count}"
    if audit.rules.drop_bad:
        for kind, count in audit.faults.counts.most_common():
            yield "dropped", f"{kind}: {count}"
    for said in tally_lines(audit.tally):
        yield "of these", said
    for kind, count in audit.warnings.counts.most_common():
        yield "warning", f"{kind}: {count}, first at {audit.warnings.first[kind][0].where}"
    if audit.unread:
        yield "not used", ", ".join(f"{key} ({count})" for key, count in audit.unread.most_common(8))
