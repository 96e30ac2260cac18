"""`conch rm`: delete runs."""

from __future__ import annotations

from collections.abc import Sequence

import click

from orchestrator.cli.verb import Outcome, progress, verb


@verb(example="conch rm magic_conch/20261125-084143-b65b\nconch rm --yes magic_conch/20261125-084143-b65b")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(runs: Sequence[str], *, yes: bool) -> Outcome:
    """Delete runs with all that they made, exports too. RUN is RECIPE/ID; a recipe's name alone is refused.

    A run that is being worked on is refused (6). What links in a run point to is never deleted.
    """
    import sys
    from pathlib import Path

    from orchestrator.errors import Problem, UsageError
    from orchestrator.execute.project import recipes
    from orchestrator.execute.run_store.listing import remove_run, size_of
    from orchestrator.execute.run_store.run_folder import Run

    project = recipes.project_folder(Path.cwd())
    vague = [name for name in runs if "/" not in name]
    if vague:
        hint = f"name the run: conch runs ls {vague[0]}"
        raise UsageError(Problem(f"{vague[0]} names a recipe, not one of its runs", hint=hint))
    chosen = [Run.open(project, name) for name in dict.fromkeys(runs)]
    sizes = {run.name: size_of(run) for run in chosen}
    for name, size in sizes.items():
        export = " with its export" if (project / "runs" / name / "export").is_dir() else ""
        progress(f"{name}: {size / 1e6:.0f} MB{export}")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(Problem("nothing is deleted without being asked for", hint="add --yes"))
        if not click.confirm("Delete?", err=True):
            return Outcome({"removed": []}, "nothing was deleted")
    for run in chosen:
        remove_run(run)
    lines = [f"deleted {name}" for name in sizes]
    return Outcome({"removed": list(sizes), "bytes": sum(sizes.values())}, "\n".join(lines))
