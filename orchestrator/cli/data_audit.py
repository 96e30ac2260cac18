"""`conch data audit`: what is in a data file, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.data_options import columns_of, file_argument, reading_of, reading_options
from orchestrator.cli.verb import Outcome, progress, verb

STAGES = ("pt", "sft", "rm", "dpo", "kto", "ppo")

if TYPE_CHECKING:
    from orchestrator.execute.data.audit_file import AuditResult


@verb(
    example="conch data audit my_rows.jsonl\n"
    "conch data audit faq.json --format alpaca --column prompt=问题 --column response=答案 --json\n"
    "conch data audit LLaMA-Factory/data/dataset_info.json"
)
@file_argument
@reading_options
@click.option(
    "--stage",
    default="",
    type=click.Choice(["", *STAGES]),
    metavar="NAME",
    help="Of a dataset_info.json: LLaMA-Factory's stage that it is for, e.g. dpo.",
)
def command(
    *, file: Path, format_name: str, columns: Sequence[str], items: str, sheet: str, part: str, stage: str
) -> Outcome:
    """Say what a data file holds, and every row that would be dropped or trained wrongly.

    Exits 0 when every row can be trained as it stands; else 2, with the count of each kind of fault, its
    first rows with their lines, and the edit that fixes them. The file is only read.

    Of a dataset_info.json it says what LLaMA-Factory would pass over or read otherwise than it is meant.
    """
    from orchestrator.execute.data.audit_file import audit_file
    from orchestrator.execute.data.lint_dataset_info import lint_file, names_data_sets

    if names_data_sets(file):
        wrong = tuple(lint_file(file, stage))
        text = "read as       a list of data sets, as LLaMA-Factory reads it\n"
        text += f"problems      {len(wrong)}"
        return Outcome({"file": str(file), "problems": len(wrong)}, text, 2 if wrong else 0, wrong)
    found = audit_file(
        file,
        format_name=format_name,
        columns=columns_of(columns),
        reading=reading_of(items=items, sheet=sheet, part=part),
        progress=progress,
    )
    convert = f"conch data convert {file} --out NEW.jsonl"
    problems = tuple(found.audit.problems(fix=f"{convert} --fix", drop="--drop-bad"))
    text = "\n".join(f"{name:<13} {said}" for name, said in _lines(found))
    return Outcome(found.to_json(), text, exit_code=2 if problems else 0, problems=problems)


def _lines(found: AuditResult) -> Iterator[tuple[str, str]]:
    audit = found.audit
    why = ": the first whole row is of its shape; another is named by --format" if found.sniffed else ""
    yield "read as", found.format + why
    for note in found.notes:
        yield "note", note
    yield "rows", f"{audit.rows}, of which {audit.kept} can be trained as they stand"
    yield "answers", str(audit.turns)
    for kind, count in audit.warnings.most_common():
        first = audit.odd.first[kind][0].where
        yield "warning", f"{kind}: {count}, first at {first}"
    if audit.unread:
        listed = ", ".join(f"{key} ({count})" for key, count in audit.unread.most_common(8))
        yield "not used", listed
