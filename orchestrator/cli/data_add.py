"""`conch data add`: a person's own file, ready to be trained on, in one command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.data_options import manner_of, reading_options
from orchestrator.cli.verb import Outcome, progress, verb
from orchestrator.hubs import DEFAULT, REMOTE

if TYPE_CHECKING:
    from orchestrator.execute.data.importer import Added


@verb(
    example="conch data add my_rows.jsonl\n"
    "conch data add 问答.jsonl --name faq --column prompt=标题 --column response=正文\n"
    "conch data add hub:OWNER/NAME --fix --drop-bad"
)
@click.argument("source", metavar="FILE|hub:OWNER/NAME[/FILE]")
@click.option("--name", default="", help="Of the data set and its recipe; default: made of the file's name.")
@click.option(
    "--recipe", "base", default="", metavar="BASE", help="The recipe to extend; default: magic_conch."
)
@click.option(
    "--hub",
    type=click.Choice([*REMOTE]),
    default=DEFAULT,
    show_default=True,
    help="Where hub:OWNER/NAME is.",
)
@click.option("--fix", is_flag=True, help="Fix what can be fixed safely, now and in every run.")
@click.option("--drop-bad", is_flag=True, help="Leave out rows that cannot be trained, now and in every run.")
@reading_options
def command(
    *,
    source: str,
    name: str,
    base: str,
    hub: str,
    **manner: Any,
) -> Outcome:
    """Make a data set and a recipe of a file, a folder of data, or a data set of a hub.

    Every row is looked at first. Where one cannot be trained, nothing is written, and what fixes it is said.
    Otherwise the file is copied to dataset_info/data/, dataset_info/NAME.yaml says how it is read, and
    recipes/NAME.yaml trains on it. Nothing that is there is replaced.
    """
    from pathlib import Path

    from orchestrator.execute.data.importer import ImportOptions, add_data
    from orchestrator.execute.project import recipes

    wish = ImportOptions(source, hub=hub, name=name, base=base, manner=manner_of(**manner))
    added = add_data(recipes.project_folder(Path.cwd()), wish, progress)
    text = "\n".join(f"{title:<13} {said}" for title, said in _lines(added))
    return Outcome(added.to_json(), text)


def _lines(added: Added) -> Iterator[tuple[str, str]]:
    seen, audit = added.seen, added.audit
    if added.stem and added.stem != added.name:
        yield "name", f"{added.name}, made of “{added.stem}”; --name gives another"
    why = ": the first whole row is of its shape; another is named by --format" if seen.sniffed else ""
    yield "read as", seen.format + why
    if seen.columns:
        yield "columns", ", ".join(f"{part} = {name}" for part, name in seen.columns.items())
    for note in seen.notes:
        yield "note", note
    yield "rows", f"{audit.rows}, of which {audit.kept} are trained, with {audit.turns} answers"
    for kind, count in audit.fixed.counts.most_common():
        yield "fixed", f"{kind}: {count}"
    if audit.rules.drop_bad:
        for kind, count in audit.counts.most_common():
            yield "left out", f"{kind}: {count}"
    for kind, count in audit.warnings.most_common():
        yield "warning", f"{kind}: {count}"
    if audit.unread:
        yield "not used", ", ".join(f"{key} ({count})" for key, count in audit.unread.most_common(8))
    yield "rows in", added.file or "the hub's file, fetched by each machine that runs it"
    yield "entry", f"{added.entry}: say its licence and its source there"
    yield (
        "recipe",
        f"{added.recipe}, which extends {added.base} and asks {len(seen.cases)} questions afterwards",
    )
    yield "next", f"conch data preview {added.name}   to see what the model will see"
    yield "", f"conch sft {added.name}            to train it"
    yield "", f"conch run {added.name}            to train it, serve it and ask it"
