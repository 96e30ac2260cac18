"""`conch bench`: run evalscope or lm-eval on a served model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Outcome, progress, server_options, verb

if TYPE_CHECKING:
    from orchestrator.execute.evaluating.bench import Benched, Endpoint


@verb(
    example="conch bench magic_conch --with evalscope -- --datasets gsm8k --limit 100\n"
    "conch bench --base-url http://127.0.0.1:8000/v1 --model NAME --with lm-eval --out DIR -- --tasks gsm8k"
)
@click.argument("recipe", default="", metavar="[RECIPE]")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="-- [ARGS]...")
@click.option(
    "--with", "tool", required=True, type=click.Choice(["evalscope", "lm-eval"]), help="The benchmark tool."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Output folder; default: bench/ in the folder of the served run, or of the latest run.",
)
@server_options
def command(
    *,
    recipe: str,
    arguments: Sequence[str],
    tool: str,
    out: Path | None,
    base_url: str,
    model: str,
    key_file: Path | None,
) -> Outcome:
    """Run public benchmarks on a served model, with evalscope or lm-eval.

    ARGS after -- go to the tool and select the benchmarks; Conch adds server, model, key and output folder.
    The tool is installed on first use, pinned and hashed, and downloads its datasets itself. Exits 4 if it
    fails.
    """
    from orchestrator.backends.benches import argv
    from orchestrator.execute.evaluating.bench import FOLDER, output_folder, run_bench, run_of
    from orchestrator.execute.host import signals
    from orchestrator.execute.processes import process_tree
    from orchestrator.execute.project import recipes

    if recipe.startswith("-"):  # the first word after `--`, without a recipe
        recipe, arguments = "", (recipe, *arguments)
    server = _server(recipe, base_url, model, key_file)
    place = Path.cwd()
    run = run_of(recipes.project_folder(place), recipe, server.url) if recipe else None
    home = out.absolute() if out else run.path / FOLDER if run else None
    if home is None:
        raise _no_folder(recipe)
    argv(tool, url=server.url, model=server.model, out=str(home), arguments=arguments)  # or it is refused
    with signals.catch_signals():
        folder = output_folder(home, tool)
        run_tag = process_tree.new_run_tag(run.project if run else place, run.path if run else folder)
        done = run_bench(tool, server, arguments, folder=folder, place=place, run_tag=run_tag, tell=_visibly)
    return Outcome({"run": run.name if run else "", **done.to_json()}, _text(done))


def _server(recipe: str, base_url: str, model: str, key_file: Path | None) -> Endpoint:
    """The server, which has answered once.

    Raises:
        ConchError: it is not named, or does not answer.
    """
    from orchestrator.errors import Problem, UsageError
    from orchestrator.execute.evaluating.bench import Endpoint
    from orchestrator.execute.inference.api_key import read_key
    from orchestrator.execute.inference.client import Client
    from orchestrator.execute.project.endpoint import served

    key = read_key(key_file)
    if recipe:
        url, name = served(recipe, start=Path.cwd())
        base_url, model = base_url or url, model or name
    missing = [option for option, value in (("--base-url", base_url), ("--model", model)) if not value]
    if missing:
        raise UsageError(
            Problem(f"without a recipe, give {' and '.join(missing)}", hint="conch bench --help")
        )
    with Client(base_url, model, key=key) as client:
        client.reach(hint=f"conch serve {recipe}" if recipe else "")
        return Endpoint(client.base_url, model, key)


def _no_folder(recipe: str) -> Exception:
    from orchestrator.errors import Problem, UsageError

    what = f"{recipe} has no run whose folder could hold the output" if recipe else "no recipe is named"
    return UsageError(Problem(f"{what}: name an output folder", "--out", "--out DIR"))


def _visibly(line: str) -> None:
    from orchestrator.cli.text.terminal import uncoloured
    from orchestrator.outside import visible

    progress(visible(uncoloured(line)))


def _text(done: Benched) -> str:
    from orchestrator.cli.text.terminal import aligned

    rows = [[one.task, one.metric, f"{one.value:.4g}", f"of {one.n}" if one.n else ""] for one in done.scores]
    return "\n".join([*aligned(rows), f"written to {done.folder} in {done.seconds:g} s"])
