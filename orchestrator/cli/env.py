"""`conch env`: make the engine environments, or their requirement files."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, hardware_option, progress, verb


@click.group(name="env", epilog="\b\nExample:\n  conch env sync\n  conch env lock")
def command() -> None:
    """Make or lock the train and serve environments."""


@verb(example="conch env sync\nconch env sync serve --hardware cpu")
@click.argument("name", type=click.Choice(["train", "serve"]), required=False)
@hardware_option
def sync(name: str | None, hardware: str) -> Outcome:
    """Make the train and serve environments in CONCH_HOME, unless they are there.

    Every package is pinned and hashed (environments/). The CPU build of torch is looked for in
    PIP_FIND_LINKS, else on PyTorch's own page; CONCH_UV names another uv.
    """
    import time

    from orchestrator.execute import environments, interrupts, system

    profile = system.profile(hardware)
    made: dict[str, dict[str, object]] = {}
    with interrupts.signals():
        for each in (name,) if name else environments.NAMES:
            started = time.monotonic()
            folder = environments.sync(each, profile, progress)
            made[each] = {"folder": str(folder), "seconds": round(time.monotonic() - started, 1)}
    text = "\n".join(f"{each:<6} {found['folder']}  ({found['seconds']} s)" for each, found in made.items())
    return Outcome({"hardware": profile, "environments": made}, text)


@verb(example="conch env lock")
def lock() -> Outcome:
    """Make the requirement files under environments/ anew from their .in files.

    Resolves the newest versions that the .in files allow. The CUDA files are resolved, not installed.
    """
    from orchestrator.execute import interrupts
    from orchestrator.execute.lock_environments import lock_all

    with interrupts.signals():
        paths = [str(path) for path in lock_all(progress)]
    return Outcome({"files": paths}, "\n".join(paths))


command.add_command(sync, "sync")
command.add_command(lock, "lock")
