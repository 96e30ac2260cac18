"""`conch stop`: end everything that Conch started for this project."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, verb


@verb(example="conch stop")
@click.option("--grace", default=15.0, show_default=True, help="Seconds between asking and killing.")
def stop(grace: float) -> Outcome:
    """Stop every process that Conch started for this project; stopping nothing is fine."""
    from pathlib import Path

    from orchestrator.execute.recipes import project_folder
    from orchestrator.execute.stop import stop_project

    stopped = stop_project(project_folder(Path.cwd()), grace=grace)
    rows = [{"pid": one.pid, "command": one.command} for one in stopped]
    lines = [f"stopped {one.pid}  {one.command}" for one in stopped]
    return Outcome({"stopped": rows}, "\n".join(lines) or "nothing of this project was running")


command = stop
