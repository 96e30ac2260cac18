"""`conch stop`: stop everything that Conch started for this project or for one run."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, current_project, verb


@verb(example="conch stop\nconch stop magic_conch\nconch stop --now")
@click.argument("run", default="", metavar="[RUN]")
@click.option("--grace", default=75.0, show_default=True, help="Seconds to wait before killing.")
@click.option("--now", is_flag=True, help="Kill at once; training saves no checkpoint.")
def stop(run: str, grace: float, *, now: bool) -> Outcome:
    """Stop every process that Conch started for this project, or for one run.

    RUN is RECIPE/ID, or RECIPE for its latest run. Training saves a checkpoint first; run its command again
    to resume from there. Nothing running is not an error.
    """
    from orchestrator.execute.run_store.run_folder import Run
    from orchestrator.execute.run_store.stop import stop_project

    project = current_project()
    chosen = Run.open(project, run) if run else None
    stopped = stop_project(project, run=chosen, grace=0.0 if now else grace)
    rows = [{"pid": one.pid, "command": one.command} for one in stopped]
    lines = [f"stopped {one.pid}  {one.command}" for one in stopped]
    return Outcome({"stopped": rows}, "\n".join(lines) or f"nothing was running for {run or 'this project'}")


command = stop
