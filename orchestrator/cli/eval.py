"""`conch eval`: score a run's models on rows of its data, through the endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from orchestrator.cli.verb import Outcome, base_url_option, limit_option, recipe_argument, split_option, verb

if TYPE_CHECKING:
    from orchestrator.evaluation.numbers import Mean, Numbers
    from orchestrator.execute.evaluating.evaluate_run import Evaluated


@verb(
    example="conch eval magic_conch --systems base,tuned\n"
    "conch eval magic_conch --split validation --checkpoint last"
)
@recipe_argument
@split_option
@click.option(
    "--systems",
    default="",
    metavar="NAMES",
    help="Models to score: base, tuned, checkpoint-N; default: tuned.",
)
@click.option(
    "--checkpoint", default="", metavar="last|N", help="Score the unmerged adapter of this checkpoint."
)
@limit_option
@click.option(
    "--max-tokens", type=click.IntRange(1), default=None, help="Maximum length of an answer in tokens."
)
@base_url_option("Use this running server instead of starting one.")
@click.option("--model", default="", metavar="NAME", help="Model name of that server; default: the recipe's.")
def command(
    *,
    recipe: str,
    split: str | None,
    systems: str,
    checkpoint: str,
    limit: int | None,
    max_tokens: int | None,
    base_url: str,
    model: str,
) -> Outcome:
    """Score a run's models on its data: BLEU, ROUGE, chrF, exact match, perplexity, length and stops.

    RECIPE is a name, for its latest finished run, or RECIPE/ID. Conch starts a server for each model, unless
    --base-url names a running one. Answers and scores are stored in the run folder, under eval/.
    """
    from pathlib import Path

    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.execute.evaluating.evaluate_run import EvaluateOptions, evaluate_run
    from orchestrator.execute.project import recipes
    from orchestrator.execute.runner.existing_run import Server

    named = [word.strip() for word in systems.split(",") if word.strip()]
    if checkpoint:
        named.append(f"checkpoint-{checkpoint.removeprefix('checkpoint-')}")
    options = EvaluateOptions(
        split=split or "",
        systems=tuple(dict.fromkeys(named)),
        limit=limit,
        max_tokens=max_tokens,
        server=Server(base_url, model) if base_url else None,
    )
    found = evaluate_run(
        recipe, options, project=recipes.project_folder(Path.cwd()), progress=TerminalProgress()
    )
    return Outcome(data=_data(found), text="\n".join(shown(found)))


def _data(found: Evaluated) -> dict[str, object]:
    return {
        "run": found.run.name,
        "split": found.split,
        "systems": dict(found.numbers),
        "folders": {name: str(folder) for name, folder in found.folders.items()},
    }


def shown(found: Evaluated) -> Iterable[str]:
    """The table of scores, one column per model, and the paths of the answers."""
    from orchestrator.cli.text.terminal import table

    systems = found.numbers
    names = list(next(iter(systems.values()))["metrics"])
    rows = [
        ("rows", *(f"{one['answered']} of {one['samples']}" for one in systems.values())),
        *((name, *(_interval(one["metrics"][name]) for one in systems.values())) for name in names),
    ]
    if any(one["with_thinking"] for one in systems.values()):
        rows += [(f"{name}, thinking included", *_with_thinking(systems, name)) for name in names]
    rows.append(("perplexity of references", *(_perplexity(one) for one in systems.values())))
    lengths = [one["length"] for one in systems.values()]
    rows.append(("tokens per answer", *(f"{one['mean']:g}, longest {one['longest']}" for one in lengths)))
    rows.append(("ended by", *(_stops(one["stops"]) for one in systems.values())))
    yield table((f"{found.run.recipe}, {found.split} rows", *systems), rows)
    for name, one in systems.items():
        for error, times in one["errors"].items():
            yield f"{name}: {times} without an answer: {error}"
    yield from (f"answers of {name}: {folder}/predictions.jsonl" for name, folder in found.folders.items())


def _with_thinking(systems: Mapping[str, Numbers], name: str) -> Iterable[str]:
    for one in systems.values():
        thinking = one["with_thinking"]
        yield _interval(thinking[name]) if thinking else "–"


def _interval(value: Mean) -> str:
    return f"{value['mean']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"


def _perplexity(numbers: Numbers) -> str:
    found = numbers["perplexity"]
    if not found:
        return f"not known: {numbers['perplexity_missing']}"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def _stops(stops: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {times}" for name, times in stops.items())
