"""`conch ls`: what there is in this project."""

from __future__ import annotations

from typing import Any

from orchestrator.cli.verb import Outcome, verb


@verb(example="conch ls\nconch ls --json")
def command() -> Outcome:
    """List recipes, datasets, chat templates and runs."""
    from pathlib import Path

    from orchestrator.execute import recipes, survey
    from orchestrator.execute.state import RunFolder

    project = recipes.project_folder(Path.cwd())
    names = recipes.names(project)
    runs = [run for name in names for run in RunFolder.all(project, name)]
    data: dict[str, Any] = {
        "recipes": names,
        "datasets": sorted(survey.read_datasets(project)),
        "templates": sorted(survey.read_templates(project)),
        "runs": [
            {"run": run.name, "stages": {one.stage: str(one.status) for one in run.runs()}} for run in runs
        ],
    }
    lines = []
    for title in ("recipes", "datasets", "templates"):
        lines += [title, *(f"  {name}" for name in data[title]), ""]
    lines.append("runs")
    for run in data["runs"]:
        stages = "  ".join(f"{name} {status}" for name, status in run["stages"].items())
        lines.append(f"  {run['run']}  {stages}")
    return Outcome(data=data, text="\n".join(lines).rstrip())
