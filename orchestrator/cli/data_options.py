"""Options that the verbs of `conch data` share: how a file is read, and what is done about faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from orchestrator.execute.data.data_file import Reading
    from orchestrator.execute.data.manner import Manner

_Body = TypeVar("_Body", bound=Callable[..., Any])
ALSO = ("merge-turns", "markup", "mask-pii", "json")

file_argument = click.argument("file", type=click.Path(path_type=Path), metavar="FILE")


def reading_options(function: _Body) -> _Body:
    """--format, --column, --items, --sheet and --part: how a file is read."""
    for option in (
        click.option("--part", default="", metavar="NAME", help="Of a saved data set: which split is read."),
        click.option("--sheet", default="", metavar="NAME", help="Of a workbook: which sheet is read."),
        click.option(
            "--items", default="", metavar="PATH", help="Of XML: where the rows are, e.g. faq/item."
        ),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="PART=NAME",
            help="What a part is called in this file.",
        ),
        click.option(
            "--format",
            "format_name",
            default="",
            metavar="NAME",
            help="How a row is read (docs/data.md); default: the first row's.",
        ),
    ):
        function = option(function)
    return function


def repair_options(function: _Body) -> _Body:
    """--fix, --also and --drop-bad: what is done about faults."""
    for option in (
        click.option(
            "--drop-bad", is_flag=True, help="Leave rows with faults out, and list them in a ledger."
        ),
        click.option(
            "--also",
            multiple=True,
            type=click.Choice(ALSO),
            help="With --fix: a repair that changes what somebody wrote. Repeatable.",
        ),
        click.option("--fix", is_flag=True, help="Apply the safe repairs, and count each."),
    ):
        function = option(function)
    return function


def columns_of(columns: Sequence[str]) -> Mapping[str, str]:
    """PART=NAME words as a mapping.

    Raises:
        click.UsageError: a word has no name.
    """
    named = dict(column.partition("=")[::2] for column in columns)
    wrong = [part for part, name in named.items() if not name]
    if wrong:
        raise click.UsageError(f"--column {wrong[0]}: must be PART=NAME")
    return named


def reading_of(*, items: str, sheet: str, part: str, fix: bool = False, also: Sequence[str] = ()) -> Reading:
    """What DataFile needs to know."""
    from orchestrator.execute.data.data_file import Reading

    return Reading(items=items, sheet=sheet, split=part, fix=fix, fix_json="json" in also)


def manner_of(
    *,
    format_name: str,
    columns: Sequence[str],
    items: str,
    sheet: str,
    part: str,
    fix: bool,
    drop_bad: bool,
    also: Sequence[str] = (),
) -> Manner:
    """What reading_options and repair_options say, together.

    Raises:
        click.UsageError: --also without --fix, or a column without a name.
    """
    from orchestrator.datasets.audit import Rules
    from orchestrator.execute.data.manner import Manner

    if also and not fix:
        raise click.UsageError(f"--also {also[0]} needs --fix")
    rules = Rules(fix=fix, also=frozenset(also) - {"json"}, drop_bad=drop_bad)
    reading = reading_of(items=items, sheet=sheet, part=part, fix=fix, also=also)
    return Manner(format_name, columns_of(columns), reading, rules)
