"""`conch report`: what came of a run, as a page, a model card and JSON."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, verb


@verb(example="conch report --open\nconch report magic_conch --language en\nconch report magic_conch --json")
@click.argument("run", default="", metavar="[RUN]")
@click.option(
    "--language",
    type=click.Choice(["zh", "en"]),
    default=None,
    help="The words around the facts; default: Chinese when most of the questions are.",
)
@click.option("--open", "opened", is_flag=True, help="Show the page in the browser.")
def command(run: str, *, language: str | None, opened: bool) -> Outcome:
    """Make the report of a run anew, of all that lies in its folder now.

    RUN is RECIPE/ID, or RECIPE for its last; without it, the last run of the project. One page that needs no
    network, the same as a model card and as JSON, and the card once more beside the export.
    """
    from pathlib import Path

    from orchestrator.cli.text.page_file import open_page
    from orchestrator.execute.project import recipes
    from orchestrator.execute.reporting.renew_report import renew_report

    made = renew_report(run, project=recipes.project_folder(Path.cwd()), language=language or "")
    if opened:
        open_page(made.html)
    data = {"run": made.run.name, "html": str(made.html), "markdown": str(made.markdown)}
    data |= {"json": str(made.json), "card": str(made.card)}
    shown = (("page", made.html), ("Markdown", made.markdown), ("JSON", made.json), ("card", made.card))
    return Outcome(data, "\n".join(f"{name:<9}{path}" for name, path in shown))
