"""`conch ls`: what this project contains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.verb import Outcome, current_project, verb

if TYPE_CHECKING:
    from orchestrator.templates.pairing import ChatTemplate

KINDS = ("recipes", "datasets", "templates", "runs")


@verb(example="conch ls\nconch ls templates\nconch ls --json")
@click.argument("what", required=False, type=click.Choice(KINDS), metavar="[WHAT]")
def command(what: str | None) -> Outcome:
    """List recipes, datasets, chat templates and runs, or one of these.

    `conch ls templates` prints a matrix: a row per training template and a column per setting of
    template.thinking and template.history. A cell names the chat template that matches that training.
    """
    from orchestrator.execute.project import discovery, recipes
    from orchestrator.execute.run_store.run_folder import Run
    from orchestrator.templates.pairing import matrix

    project = current_project()
    templates = discovery.read_templates(project)
    names = {
        "recipes": list(recipes.names(project)),
        "datasets": sorted(discovery.read_datasets(project)),
        "templates": sorted(templates),
    }
    runs = [run for name in names["recipes"] for run in Run.all(project, name)]
    stages = {run.name: {one.stage: str(one.status) for one in run.runs()} for run in runs}
    rows = matrix(templates)
    run_rows = [{"run": run, "stages": done} for run, done in stages.items()]
    data = {**names, "matrix": rows, "runs": run_rows}
    if what == "templates":
        return Outcome(data, _matrix_text(rows, templates))
    lines = []
    for title, listed_names in names.items():
        if what in {None, title}:
            lines += [title, *(f"  {name}" for name in listed_names), ""]
    if what in {None, "runs"}:
        lines.append("runs")
        for run, done in stages.items():
            lines.append(f"  {run}  " + "  ".join(f"{name} {status}" for name, status in done.items()))
    return Outcome(data, "\n".join(lines).rstrip())


def _matrix_text(rows: Sequence[Mapping[str, Any]], templates: Mapping[str, ChatTemplate]) -> str:
    """The matrix, then the reasoning parser and source of each chat template."""
    columns = [f"{cell['thinking']}, {cell['history']}" for cell in rows[0]["cells"]] if rows else []
    table = [["template", *columns]]
    table += [[row["training"], *(cell["template"] or "-" for cell in row["cells"])] for row in rows]
    listed = [["chat template", "reasoning parser", "source"]]
    listed += [
        [name, one.reasoning_parser or "none", one.source or "-"] for name, one in sorted(templates.items())
    ]
    from orchestrator.cli.text.terminal import aligned

    head = "chat templates by training template, template.thinking and template.history"
    return "\n".join([head, *aligned(table, indent="  "), "", *aligned(listed, indent="  ")])
