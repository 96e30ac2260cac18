"""`conch ls`: what this project contains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.verb import Outcome, verb

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
    from pathlib import Path

    from orchestrator.execute.project import discovery, recipes
    from orchestrator.execute.run_store.run_folder import Run
    from orchestrator.templates.pairing import matrix

    project = recipes.project_folder(Path.cwd())
    names = recipes.names(project)
    runs = [run for name in names for run in Run.all(project, name)]
    templates = discovery.read_templates(project)
    data: dict[str, Any] = {
        "recipes": names,
        "datasets": sorted(discovery.read_datasets(project)),
        "templates": sorted(templates),
        "matrix": matrix(templates),
        "runs": [
            {"run": run.name, "stages": {one.stage: str(one.status) for one in run.runs()}} for run in runs
        ],
    }
    if what == "templates":
        return Outcome(data=data, text=_matrix_text(data["matrix"], templates))
    lines = []
    for title in KINDS[:-1]:
        if what in {None, title}:
            lines += [title, *(f"  {name}" for name in data[title]), ""]
    if what in {None, "runs"}:
        lines.append("runs")
    for run in data["runs"] if what in {None, "runs"} else ():
        stages = "  ".join(f"{name} {status}" for name, status in run["stages"].items())
        lines.append(f"  {run['run']}  {stages}")
    return Outcome(data=data, text="\n".join(lines).rstrip())


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
