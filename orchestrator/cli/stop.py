"""`conch stop`: end everything that Conch started for this project, or for one run."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, verb


@verb(example="conch stop\nconch stop magic_conch\nconch stop --now")
@click.argument("run", default="", metavar="[RUN]")
@click.option("--grace", default=75.0, show_default=True, help="Seconds between asking and killing.")
@click.option("--now", is_flag=True, help="Kill without asking first: a training saves nothing.")
def stop(run: str, grace: float, *, now: bool) -> Outcome:
    """Stop every process that Conch started for this project, or for one run; stopping nothing is fine.

    RUN is RECIPE/ID, or RECIPE for its last. A training saves before it ends, and goes on from there when its
    command is typed again.
    """
    from pathlib import Path

    from orchestrator.execute.project.recipes import project_folder
    from orchestrator.execute.run_store.run_folder import Run
    from orchestrator.execute.run_store.stop import stop_project

    project = project_folder(Path.cwd())
    chosen = Run.open(project, run) if run else None
    stopped = stop_project(project, run=chosen, grace=0.0 if now else grace)
    rows = [{"pid": one.pid, "command": one.command} for one in stopped]
    lines = [f"stopped {one.pid}  {one.command}" for one in stopped]
    return Outcome({"stopped": rows}, "\n".join(lines) or f"nothing of {run or 'this project'} was running")


command = stop
