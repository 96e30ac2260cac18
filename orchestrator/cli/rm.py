"""`conch rm`: delete runs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from orchestrator.cli.verb import Outcome, current_project, progress, verb


@verb(example="conch rm magic_conch/20261125-084143-b65b\nconch rm --yes magic_conch/20261125-084143-b65b")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def command(runs: Sequence[str], *, yes: bool) -> Outcome:
    """Delete runs and everything in them, exports included. RUN is RECIPE/ID; a recipe's name is refused.

    A run that is in use is refused (exit 6). Links are removed, their targets never.
    """
    import sys

    from orchestrator.errors import Problem, UsageError
    from orchestrator.execute.run_store.listing import built_on, remove_run, size_of
    from orchestrator.execute.run_store.run_folder import Run

    project = current_project()
    incomplete = [name for name in runs if "/" not in name]
    if incomplete:
        hint = f"name the run: conch runs ls {incomplete[0]}"
        raise UsageError(Problem(f"{incomplete[0]} names a recipe, not a run", hint=hint))
    chosen = [Run.open(project, name) for name in dict.fromkeys(runs)]
    sizes = {run.name: size_of(run) for run in chosen}
    for name, size in sizes.items():
        export = " with its export" if (project / "runs" / name / "export").is_dir() else ""
        progress(f"{name}: {size / 1e6:.0f} MB{export}")
    for run in chosen:
        for built in built_on(run):
            progress(
                f"{built} is built on {run.name}: it can no longer be trained or scored against its base"
            )
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                Problem(
                    "nothing was deleted: standard input is not a terminal, so you cannot be asked",
                    hint="add --yes",
                )
            )
        if not click.confirm("Delete?", err=True):
            return Outcome({"removed": []}, "nothing was deleted")
    for run in chosen:
        remove_run(run)
    lines = [f"deleted {name}" for name in sizes]
    return Outcome({"removed": list(sizes), "bytes": sum(sizes.values())}, "\n".join(lines))
