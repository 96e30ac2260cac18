"""`conch data preview`: rows as the model sees them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from orchestrator.cli.text.page_file import check_page, write_page
from orchestrator.cli.verb import Outcome, hardware_option, progress, set_option, verb


@verb(
    example="conch data preview magic_conch\n"
    "conch data preview magic_conch --row 12 --out preview.html --open\n"
    "conch data preview magic_conch -n 5 --set data.cutoff_len=64 --json"
)
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "-n", "count", type=click.IntRange(1, 1000), default=3, show_default=True, help="Number of rows."
)
@click.option(
    "--row", "rows", multiple=True, metavar="NUMBER", help="A row: 12, DATASET:12 or FILE:12. Repeatable."
)
@click.option(
    "--tokenizer",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Use this tokenizer, for example before the base model is downloaded.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.html", help="Also write an HTML page.")
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@set_option
@hardware_option
def command(
    *,
    recipe: str,
    count: int,
    rows: Sequence[str],
    tokenizer: Path | None,
    out: Path | None,
    opened: bool,
    sets: Sequence[str],
    hardware: str,
) -> Outcome:
    """Show rows token by token, as LLaMA-Factory encodes them for training.

    Marks what is learnt, thoughts, stop tokens, and what the cutoff removes. The tokens come from
    LLaMA-Factory in the train environment, with the recipe's template, cutoff and history.
    """
    from orchestrator.cli.text.rows import preview_text
    from orchestrator.execute.data.preview import preview
    from orchestrator.execute.project import recipes

    check_page(out, opened=opened)
    found = preview(
        recipe,
        project=recipes.project_folder(Path.cwd()),
        count=count,
        rows=rows,
        tokenizer=tokenizer,
        sets=sets,
        hardware=hardware,
        say=progress,
    )
    data = found.to_json()
    if out is not None:
        write_page(out, "preview", f"{found.recipe}: rows as they are trained", data, opened=opened)
    return Outcome({**data, "page": str(out) if out else None}, preview_text(found))
