"""`conch pull`: download a base model before a run needs it."""

from __future__ import annotations

import click

from orchestrator.cli.verb import Outcome, hardware_option, progress, verb
from orchestrator.errors import Problem, UsageError
from orchestrator.hubs import DEFAULT, REMOTE


@verb(example="conch pull embedded\nconch pull Qwen/Qwen3-0.6B --hub modelscope")
@click.argument("name", metavar="NAME")
@click.option("--revision", default="", metavar="COMMIT", help="Commit of a hub model; default: the latest.")
@click.option(
    "--hub", type=click.Choice([*REMOTE]), default=DEFAULT, show_default=True, help="Hub to download from."
)
@hardware_option
def command(name: str, revision: str, hub: str, hardware: str) -> Outcome:
    """Download a base model into CONCH_HOME. NAME is `embedded` or a hub id such as Qwen/Qwen3-0.6B.

    The embedded base is SmolLM2-135M in DeepSeek-R1's format: a stand-in, not a DeepSeek model.
    """
    from orchestrator.execute.host import signals

    with signals.catch_signals():
        if name == "embedded":
            return _embedded(revision, hardware)
        if name.count("/") != 1:
            hint = "conch pull embedded, or conch pull OWNER/NAME"
            raise UsageError(Problem(f'no base model "{name}": neither embedded nor a hub id', hint=hint))
        from orchestrator.execute.models.hub import fetch_model

        folder = fetch_model(name, revision, hub, progress, hardware=hardware)
    return Outcome({"name": name, "folder": str(folder), "stand_in": False}, str(folder))


def _embedded(revision: str, hardware: str) -> Outcome:
    from orchestrator.execute.models.demo_model import NOTE, ensure_embedded

    if revision:
        raise UsageError(Problem("the embedded base has no revisions", hint="conch pull embedded"))
    folder = ensure_embedded(progress, hardware)
    data = {"name": "embedded", "folder": str(folder), "stand_in": True, "note": NOTE}
    return Outcome(data, f"{folder}\n{NOTE}")
