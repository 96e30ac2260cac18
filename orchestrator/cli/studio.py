"""`conch studio`: OpenAI's API for files, fine-tuning jobs and models, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Group, Outcome, current_project, progress, verb
from orchestrator.errors import MissingError, Problem
from orchestrator.studio import SCOPES

if TYPE_CHECKING:
    from orchestrator.studio.store import Store


@click.group(
    name="studio",
    cls=Group,
    invoke_without_command=True,
    epilog="\b\nExample:\n  conch studio\n  conch studio key add alice --scope inference --scope files\n"
    "  conch studio --host 0.0.0.0 --port 8080 --origin https://board.example.org",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port.")
@click.option("--models", default=1, show_default=True, type=click.IntRange(1), help="Models loaded at once.")
@click.option(
    "--idle", default=600.0, show_default=True, type=click.FloatRange(1), help="Unload after idle seconds."
)
@click.option(
    "--wait",
    default=300.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds that a request waits for its model.",
)
@click.option(
    "--while-training",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "serve", "wait"]),
    help="What models do while a job trains; auto: serve on a CPU, wait on a GPU, which cannot hold both.",
)
@click.option(
    "--most-upload", default=512, show_default=True, type=click.IntRange(1), help="Largest file in MB."
)
@click.option("--keep-completions", is_flag=True, help="Keep questions and answers, for feedback.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name that a proxy calls it by."
)
@click.option(
    "--origin", "origins", multiple=True, metavar="URL", help="A site whose pages may call it from a browser."
)
@click.pass_context
def command(
    context: click.Context,
    *,
    host: str,
    port: int,
    models: int,
    idle: float,
    wait: float,
    while_training: str,
    most_upload: int,
    keep_completions: bool,
    hosts: Sequence[str],
    origins: Sequence[str],
) -> Outcome | None:
    """Serve OpenAI's API for files, fine-tuning jobs and models until Ctrl-C.

    Upload data, train, and chat with the tuned model, with any client of that API. A job is a recipe in
    recipes/studio/ and a run. Without keys it serves you alone, on this machine; see conch studio key add.
    """
    if context.invoked_subcommand:
        return None
    _require_libraries()
    from orchestrator.execute.host import machine
    from orchestrator.studio.context import Settings
    from orchestrator.studio.model_servers import ServingRules
    from orchestrator.studio.server import run

    serves = while_training == "serve" or (while_training == "auto" and machine.hardware() == "cpu")
    settings = Settings(
        hosts=tuple(hosts),
        origins=tuple(origins),
        most_upload=most_upload << 20,
        keep_completions=keep_completions,
        rules=ServingRules(most=models, idle=idle, wait=wait, while_training=serves),
    )
    try:
        run(current_project(), settings, host=host, port=port, progress=progress)
    except KeyboardInterrupt:  # the normal end of a server
        return Outcome()
    return Outcome()


def _require_libraries() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]
    if missing:
        hint = "make studio, or: pip install 'conch[studio]'"
        raise MissingError(Problem(f"conch studio needs {', '.join(missing)}", hint=hint))


def _store() -> Store:
    _require_libraries()
    from orchestrator.studio.store import Store

    return Store(current_project())


@command.group(cls=Group, epilog="\b\nExample:\n  conch studio key add alice --scope inference --scope files")
def key() -> None:
    """Make, list and remove the keys of names. With the first key, every request needs one."""


@verb(example="conch studio key add alice --scope inference --scope files --requests 60")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    default=("inference",),
    show_default=True,
    metavar="SCOPE",
    help=f"What the key may do; repeatable, or with commas: {', '.join(SCOPES)}.",
)
@click.option("--requests", default=0, type=click.IntRange(0), help="Requests a minute; 0: no limit.")
@click.option("--tokens", default=0, type=click.IntRange(0), help="Tokens a minute; 0: no limit.")
@click.option("--jobs", default=0, type=click.IntRange(0), help="Jobs that are not over; 0: no limit.")
def add(*, name: str, scopes: Sequence[str], requests: int, tokens: int, jobs: int) -> Outcome:
    """Make a key for a name, and print it: it is shown this once, and stored as a hash."""
    chosen = [one.strip() for each in scopes for one in each.split(",")]
    with closing(_store()) as store:
        from orchestrator.studio.keys import Limits, add_key

        made = add_key(store, name, chosen, Limits(requests, tokens, jobs))
    return Outcome({"name": name, "scopes": chosen, "key": made}, made)


@verb(example="conch studio key ls")
def ls() -> Outcome:
    """List the keys: the mark of each, its name, scopes and limits."""
    with closing(_store()) as store:
        from orchestrator.studio.keys import keys

        found = keys(store)
    lines = [f"{one['key']}  {one['name']}  {one['scopes']}" for one in found]
    return Outcome({"keys": found}, "\n".join(lines) or "no keys")


@verb(example="conch studio key rm alice")
@click.argument("name", metavar="NAME|MARK")
def rm(*, name: str) -> Outcome:
    """Remove every key of a name, or the one with that mark."""
    with closing(_store()) as store:
        from orchestrator.studio.keys import remove_key

        removed = remove_key(store, name)
    if not removed:
        raise MissingError(Problem(f"no key of {name}", hint="conch studio key ls"))
    return Outcome({"removed": removed}, f"removed {removed}")


for _name, _one in (("add", add), ("ls", ls), ("rm", rm)):
    key.add_command(_one, _name)
