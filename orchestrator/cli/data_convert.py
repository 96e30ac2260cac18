"""`conch data convert`: a file of any format as one that LLaMA-Factory reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from orchestrator.cli.data_options import (
    DataArguments,
    Lines,
    as_text,
    count_lines,
    data_options,
    file_argument,
    format_lines,
    reading_options,
    repair_options,
)
from orchestrator.cli.verb import Outcome, progress, verb
from orchestrator.datasets.base import PURPOSES

if TYPE_CHECKING:
    from orchestrator.execute.data.convert import Converted


@verb(
    example="conch data convert HuatuoGPT_sft_data_v1.jsonl --out huatuo.jsonl --fix --drop-bad\n"
    "conch data convert faq.xlsx --to alpaca --out faq.jsonl --report faq.report.json"
)
@file_argument
@click.option(
    "--to",
    "form",
    type=click.Choice(["sharegpt", "alpaca", "parquet"]),
    default="sharegpt",
    show_default=True,
    help="LLaMA-Factory's format to write; parquet has the rows of sharegpt.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The output file."
)
@click.option(
    "--as",
    "kind",
    type=click.Choice([kind for _, kind in PURPOSES.values()]),
    help="Turn rows into those of another training kind: pairs or liked answers into conversations (sft), "
    "pairs into liked and disliked answers (kto).",
)
@click.option("--force", is_flag=True, help="Replace an existing output file.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a report of all findings, as JSON.",
)
@repair_options
@reading_options
def command(
    *,
    file: Path,
    form: str,
    out: Path,
    kind: str | None,
    force: bool,
    report: Path | None,
    **data: Unpack[DataArguments],
) -> Outcome:
    """Convert a data file of any format into one that LLaMA-Factory reads.

    Strict by default: if a row would be dropped or trained incorrectly, writes nothing and counts these rows.
    Only reads the input; the output appears only when it is complete.
    """
    from orchestrator.execute.data.convert import ConvertOptions, convert, write_report

    purpose = next((purpose for purpose, (_, name) in PURPOSES.items() if name == kind), "")
    options = ConvertOptions(form=form, out=out, force=force, purpose=purpose, data=data_options(**data))
    made = convert(file, options, progress)
    if report:
        write_report(report, made)
    return Outcome(made.to_json(), as_text(_lines(made, out)), 2 if made.problems else 0, made.problems)


def _lines(made: Converted, out: Path) -> Lines:
    audit = made.file.audit
    yield from format_lines(made.file)
    yield "rows", f"{audit.rows} read, {audit.kept} kept"
    yield "answers", f"{audit.turns_in} read, {audit.turns} kept"
    yield from count_lines(audit)
    if made.rejects:
        yield "dropped in", made.rejects
    if not made.problems:
        yield "written", out
        yield "entry", json.dumps(dict(made.entry), ensure_ascii=False)
