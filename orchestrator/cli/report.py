"""`conch report`: the results of a run as a page, a model card and JSON."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, verb


@verb(example="conch report --open\nconch report magic_conch --language en\nconch report magic_conch --json")
@click.argument("run", default="", metavar="[RUN]")
@click.option(
    "--language",
    type=click.Choice(["zh", "en"]),
    default=None,
    help="Language of the report; default: Chinese if most questions are Chinese.",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
def command(run: str, *, language: str | None, opened: bool) -> Outcome:
    """Write the report of a run from the current files of its folder.

    RUN is RECIPE/ID, or RECIPE for its latest run; default: the latest run of the project. Writes one page
    that needs no network, a model card, the same as JSON, and a copy of the card beside the export.
    """
    from pathlib import Path

    from orchestrator.cli.text.page_file import open_page
    from orchestrator.execute.project import recipes
    from orchestrator.execute.reporting.write_report import renew_report

    made = renew_report(run, project=recipes.project_folder(Path.cwd()), language=language or "")
    if opened:
        open_page(made.html)
    data = {"run": made.run.name, "html": str(made.html), "markdown": str(made.markdown)}
    data |= {"json": str(made.json), "card": str(made.card)}
    shown = (("page", made.html), ("Markdown", made.markdown), ("JSON", made.json), ("card", made.card))
    return Outcome(data, "\n".join(f"{name:<9}{path}" for name, path in shown))
