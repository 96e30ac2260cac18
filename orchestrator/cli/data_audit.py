"""`conch data audit`: checks a data file before anything is trained on it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from orchestrator.cli.data_options import (
    Lines,
    ReadingArguments,
    as_text,
    count_lines,
    data_options,
    file_argument,
    format_lines,
    reading_options,
)
from orchestrator.cli.verb import Outcome, progress, verb

STAGES = ("pt", "sft", "rm", "dpo", "kto", "ppo")

if TYPE_CHECKING:
    from orchestrator.errors import Problem
    from orchestrator.execute.data.data_file import AuditedFile


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
    help="LLaMA-Factory's stage that a dataset_info.json is for, e.g. dpo.",
)
def command(*, file: Path, stage: str, **data: Unpack[ReadingArguments]) -> Outcome:
    """Check a data file for rows that would be dropped or trained incorrectly.

    Exits 0 if every row can be trained as it is; otherwise 2, with the count of each kind of fault, the lines
    of its first rows, and how to fix them. Only reads the file.

    For a dataset_info.json, lists what LLaMA-Factory would ignore or misread. What is no mistake is a note.
    """
    from orchestrator.execute.data.lint_dataset_info import lint_file, names_data_sets
    from orchestrator.execute.data.scan import audit_file, audit_json

    if names_data_sets(file):
        return _linted(file, lint_file(file, stage))
    found = audit_file(file, data_options(**data), progress)
    hint = f"conch data convert {file} --out NEW.jsonl --fix"
    problems = tuple(found.audit.problems(fix=hint, drop="--drop-bad"))
    return Outcome(audit_json(found), as_text(_lines(found)), 2 if problems else 0, problems)


def _lines(found: AuditedFile) -> Lines:
    yield from format_lines(found)
    yield "rows", f"{found.audit.rows}, of which {found.audit.kept} can be trained as they are"
    yield "answers", found.audit.turns
    yield from count_lines(found.audit)


def _linted(file: Path, found: list[Problem]) -> Outcome:
    from orchestrator.backends.dataset_columns import Note
    from orchestrator.outside import one_line

    notes = [one for one in found if isinstance(one, Note)]
    wrong = tuple(one for one in found if not isinstance(one, Note))
    lines = [("read as", "a list of datasets for LLaMA-Factory"), ("problems", len(wrong))]
    text = as_text([*lines, *(("note", one_line(f"{one.where}  {one.what}")) for one in notes)])
    data = {"file": str(file), "problems": len(wrong), "notes": [asdict(one) for one in notes]}
    return Outcome(data, text, 2 if wrong else 0, wrong)
