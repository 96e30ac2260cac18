"""`conch data convert`: a file of any shape as one that LLaMA-Factory reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.data_options import file_argument, manner_of, reading_options, repair_options
from orchestrator.cli.verb import Outcome, progress, verb

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
    help="LLaMA-Factory's formats; parquet holds sharegpt's rows.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The file to make."
)
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.option(
    "--report", type=click.Path(path_type=Path), metavar="FILE", help="Write all that was found, as JSON."
)
@repair_options
@reading_options
def command(
    *,
    file: Path,
    form: str,
    out: Path,
    force: bool,
    report: Path | None,
    **manner: Any,
) -> Outcome:
    """Convert a data file of any shape into one that LLaMA-Factory reads.

    Strict unless told otherwise: when a row would be dropped or trained wrongly, nothing is written, and
    every such row is counted. The file is only read; the output appears when it is whole.
    """
    from orchestrator.execute.data.convert import ConvertOptions, convert, write_report

    wish = ConvertOptions(
        form=form,
        out=out,
        force=force,
        manner=manner_of(**manner),
    )
    made = convert(file, wish, progress)
    if report:
        write_report(report, made)
    text = "\n".join(f"{name:<13} {said}" for name, said in _lines(made, wish.out))
    return Outcome(made.to_json(), text, exit_code=2 if made.problems else 0, problems=made.problems)


def _lines(made: Converted, out: Path) -> Iterator[tuple[str, str]]:
    audit = made.audit
    yield "read as", made.format
    for note in made.notes:
        yield "note", note
    yield "rows", f"{audit.rows} read, {audit.kept} kept"
    yield "answers", f"{audit.turns_in} read, {audit.turns} kept"
    for kind, count in audit.fixed.counts.most_common():
        yield "repaired", f"{kind}: {count}"
    if audit.rules.drop_bad:
        for kind, count in audit.counts.most_common():
            yield "dropped", f"{kind}: {count}"
    for kind, count in audit.warnings.most_common():
        yield "warning", f"{kind}: {count}"
    if audit.unread:
        listed = ", ".join(f"{key} ({count})" for key, count in audit.unread.most_common(8))
        yield "not used", listed
    if made.ledger:
        yield "ledger", str(made.ledger)
    if not made.problems:
        yield "written", str(out)
        yield "entry", json.dumps(dict(made.entry), ensure_ascii=False)
