"""`conch status`: what is running in this project, and what can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, current_project, verb

if TYPE_CHECKING:
    from orchestrator.execute.run_store.listing import RunSummary
    from orchestrator.execute.run_store.server_record import Serving


@verb(example="conch status\nconch status magic_conch --json")
@click.argument("run", default="", metavar="[RUN]")
def command(run: str) -> Outcome:
    """Show what is running, and the status of each recipe's latest run. RUN is RECIPE/ID, or RECIPE.

    Also lists processes whose supervisor was killed, with the command that stops them.
    """
    from dataclasses import asdict

    from orchestrator.execute.run_store.listing import latest, summary_of
    from orchestrator.execute.run_store.run_folder import Run
    from orchestrator.execute.run_store.server_record import all_serving, is_lost, is_up

    project = current_project()
    folders = [Run.open(project, run)] if run else latest(project)
    found = [summary_of(folder, look_around=True) for folder in folders]
    servers = [
        (serving, is_lost(folder, serving))
        for folder, serving in all_serving(project)
        if (not run or folder in folders) and (is_up(folder) or is_lost(folder, serving))
    ]
    listed = [{**asdict(serving), "up": not lost, "lost": lost} for serving, lost in servers]
    data = {"runs": [one.to_json() for one in found], "servers": listed}
    return Outcome(data, "\n".join(_lines(found, servers)) or runnable("no runs yet: conch run RECIPE"))


def _lines(found: Sequence[RunSummary], servers: Sequence[tuple[Serving, bool]]) -> Iterator[str]:
    """The runs, each server (and whether its supervisor was killed), and what can be resumed."""
    from orchestrator.cli.runs_ls import table
    from orchestrator.cli.text.terminal import aligned
    from orchestrator.execute.run_store.listing import UNFINISHED

    if found:
        yield from aligned(table(found))
    for server, lost in servers:
        where = f"{server.run}: serving {server.model} at {server.url}"
        if lost:
            yield f"{where}; its supervisor (process {server.pid}) was killed"
            yield runnable(f"    → conch stop {server.run}")
        else:
            restarted = f", restarted {server.restarts} times" if server.restarts else ""
            yield where + ("" if server.ready else ", not ready yet") + restarted
    up = {server.run for server, _ in servers}
    for one in found:
        if one.run in up:
            continue
        if one.leftovers:
            pids = ", ".join(map(str, one.leftovers))
            yield f"{one.run}: its supervisor was killed, and these processes are still running: {pids}"
            yield runnable(f"    → conch stop {one.run}")
        elif one.standing in UNFINISHED:
            yield f"{one.run}: to resume it, run its command again ({runnable(f'conch run {one.recipe}')})"
