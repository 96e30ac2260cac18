"""`conch data add`: a user's file, ready to be trained, in one command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import click

from orchestrator.cli.data_options import (
    DataArguments,
    Lines,
    as_text,
    count_lines,
    data_options,
    format_lines,
    reading_options,
)
from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, progress, verb
from orchestrator.hubs import DEFAULT, REMOTE

if TYPE_CHECKING:
    from orchestrator.execute.data.importer import Imported

_SHOWN = 60


@verb(
    example="conch data add my_rows.jsonl\n"
    "conch data add 问答.jsonl --name faq --column prompt=标题 --column response=正文\n"
    "conch data add hub:OWNER/NAME --fix --drop-bad"
)
@click.argument("source", metavar="FILE|hub:OWNER/NAME[/FILE]")
@click.option("--name", default="", help="The name of the dataset and its recipe; default: from the file's.")
@click.option(
    "--recipe", "base", default="", metavar="BASE", help="The recipe to extend; default: magic_conch."
)
@click.option(
    "--hub",
    type=click.Choice([*REMOTE]),
    default=DEFAULT,
    show_default=True,
    help="The hub of hub:OWNER/NAME.",
)
@click.option("--fix", is_flag=True, help="Make the safe repairs, now and in every run.")
@click.option("--drop-bad", is_flag=True, help="Drop rows that cannot be trained, now and in every run.")
@reading_options
def command(*, source: str, name: str, base: str, hub: str, **data: Unpack[DataArguments]) -> Outcome:
    """Create a dataset and a recipe from a file, a folder of data, or a dataset on a hub.

    Checks every row first. If one cannot be trained, writes nothing and shows how to fix it. Otherwise copies
    the file to dataset_info/data/, describes it in dataset_info/NAME.yaml, and writes recipes/NAME.yaml to
    train on it. Does not replace existing files.
    """
    from pathlib import Path

    from orchestrator.execute.data.importer import ImportOptions, add_data
    from orchestrator.execute.project import recipes

    options = ImportOptions(source, hub=hub, name=name, base=base, data=data_options(**data))
    imported = add_data(recipes.project_folder(Path.cwd()), options, progress)
    return Outcome(imported.to_json(), as_text(_lines(imported)))


def _lines(imported: Imported) -> Lines:
    from orchestrator.datasets.base import PT
    from orchestrator.outside import one_line

    name, scan, audit = imported.name, imported.scan, imported.audit
    if imported.stem and imported.stem != name:
        yield "name", f"{name}, from “{imported.stem}”; choose another with --name"
    yield from format_lines(scan.file)
    if scan.columns:
        yield "columns", ", ".join(f"{part} = {column}" for part, column in scan.columns.items())
    yield "rows", f"{audit.rows}, of which {audit.kept} are trained, with {audit.turns} answers"
    yield from count_lines(audit)
    yield "rows in", imported.file or "the hub's file, downloaded by each machine that runs it"
    yield "entry", f"{imported.entry}: add its licence and source there"
    yield "recipe", f"{imported.recipe}, extends {imported.base} and asks {len(scan.cases)} questions"
    for case in scan.cases:
        expect = "; ".join(f"{check} {one_line(str(value), _SHOWN)}" for check, value in case.expect.items())
        yield "", f"{one_line(' → '.join(case.ask), _SHOWN)}  {expect}"
    if scan.cases:
        yield "edit", f"what the answers must be: verify.checks in {imported.recipe}"
    yield "next", runnable(f"conch data preview {name}   to see what the model sees")
    yield "", runnable(f"conch sft {name}            to train it")
    if scan.file.purpose == PT:
        yield "", f"it is asked nothing: build an sft recipe on it, model: {{base: recipe:{name}}}"
    elif scan.cases:
        yield "", runnable(f"conch run {name}            to train, serve and ask it")
    else:
        yield "", f"no row has a short question and answer: add verify.checks to {imported.recipe} to ask any"
