"""`conch data stats`: statistics of a data file or of a recipe's datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import click

from orchestrator.cli.data_options import ReadingArguments, data_options, reading_options
from orchestrator.cli.text.page_file import check_page, write_page
from orchestrator.cli.verb import Outcome, hardware_option, progress, set_option, verb

if TYPE_CHECKING:
    from orchestrator.execute.data.statistics import StatisticsSource, TokenCounting
    from orchestrator.plan.job import Job

DIRECTORY = click.Path(path_type=Path)
RECIPES = {".yaml", ".yml"}
# LLaMA-Factory's template that adds nothing: only the tokens of the text.
PLAIN = "empty"
OPTIONS = {
    "format_name": "--format",
    "columns": "--column",
    "items": "--items",
    "sheet": "--sheet",
    "part": "--part",
    "recipe": "--recipe",
    "template": "--template",
}


class StatsArguments(ReadingArguments):
    """The options that choose the data and how its tokens are counted."""

    recipe: str
    tokenizer: Path | None
    template: str
    cutoff: int | None
    sets: tuple[str, ...]
    hardware: str


@verb(
    example="conch data stats my_rows.jsonl --recipe magic_conch --out stats.html --open\n"
    "conch data stats magic_conch\n"
    "conch data stats my_rows.jsonl --tokenizer models/mine --template qwen3 --cutoff 2048 --json"
)
@click.argument("what", metavar="FILE|RECIPE")
@reading_options
@click.option("--recipe", default="", metavar="RECIPE", help="Count tokens as this recipe trains.")
@click.option("--tokenizer", type=DIRECTORY, metavar="DIR", help="Count tokens with this folder's tokenizer.")
@click.option("--template", default="", metavar="NAME", help="With --tokenizer: LLaMA-Factory's template.")
@click.option("--cutoff", type=click.IntRange(1), metavar="N", help="The longest row; default: the recipe's.")
@click.option("--near-duplicates", "near", is_flag=True, help="Find nearly equal questions.")
@click.option("--out", type=DIRECTORY, metavar="FILE.html", help="Also write an HTML page.")
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
@set_option
@hardware_option
def command(
    *, what: str, out: Path | None, opened: bool, near: bool, **arguments: Unpack[StatsArguments]
) -> Outcome:
    """Show lengths, repetitions and languages of a dataset.

    Turns, characters and tokens as percentiles and histograms; the share of rows over the cutoff and the
    cutoff that keeps 99 % of them whole; duplicates, conflicting and repeated answers; languages and scripts;
    personal data; and warnings. Only reads the file.
    """
    from orchestrator.cli.text.statistics import stats_text
    from orchestrator.execute.data.statistics import statistics

    check_page(out, opened=opened)
    sources, counting = _sources(what, arguments)
    sets = [statistics(one, counting, near=near, say=progress) for one in sources]
    data: dict[str, object] = {"data_sets": sets}
    if out is not None:
        write_page(out, "statistics", f"{what}: statistics of the data", data, opened=opened)
    return Outcome({**data, "page": str(out) if out else None}, stats_text(sets))


def _sources(what: str, arguments: StatsArguments) -> tuple[list[StatisticsSource], TokenCounting | None]:
    """(the files, how tokens are counted)."""
    if arguments["template"] and arguments["tokenizer"] is None:
        raise click.UsageError("--template needs --tokenizer DIR")
    if arguments["recipe"] and arguments["template"]:
        raise click.UsageError("--recipe names a template: give --recipe or --template")
    path = Path(what)
    if path.suffix in RECIPES or not (path.exists() or path.suffix):
        return _of_recipe(what, arguments)
    from orchestrator.execute.data.statistics import StatisticsSource

    reading = {key: arguments[key] for key in ReadingArguments.__annotations__}  # type: ignore[literal-required]  # its keys
    return [StatisticsSource(path, what, data_options(**reading))], _counting(arguments)


def _of_recipe(what: str, arguments: StatsArguments) -> tuple[list[StatisticsSource], TokenCounting | None]:
    from orchestrator.execute.data.encode_rows import file_of
    from orchestrator.execute.data.statistics import StatisticsSource

    ignored = [word for name, word in OPTIONS.items() if arguments.get(name)]
    if ignored:
        raise click.UsageError(f"{ignored[0]} is for a file; a recipe sets it itself")
    job, project = _job(what, arguments)
    most = job.recipe.data.max_samples
    files = [
        StatisticsSource.of_entry(entry, file_of(entry, job, project), most) for entry in job.all_datasets
    ]
    return files, _counted_by(job, project, arguments)


def _counting(arguments: StatsArguments) -> TokenCounting | None:
    from orchestrator.execute.data.statistics import template_only

    if arguments["recipe"]:
        return _counted_by(*_job(arguments["recipe"], arguments), arguments)
    tokenizer, hardware_name = arguments["tokenizer"], arguments["hardware"]
    if tokenizer is None:
        return None
    from orchestrator.execute.host.machine import hardware
    from orchestrator.execute.models.tokenizer_folder import check_tokenizer

    check_tokenizer(tokenizer)
    profile = hardware() if hardware_name == "auto" else hardware_name
    return template_only(arguments["template"] or PLAIN, tokenizer, arguments["cutoff"], profile)


def _job(recipe: str, arguments: StatsArguments) -> tuple[Job, Path]:
    from orchestrator.execute.project import discovery, recipes

    project = recipes.project_folder(Path.cwd())
    sets, hardware = arguments["sets"], arguments["hardware"]
    return discovery.read_job(recipe, project=project, sets=sets, hardware=hardware), project


def _counted_by(job: Job, project: Path, arguments: StatsArguments) -> TokenCounting:
    """As a recipe trains; with another folder's tokenizer if one is given."""
    from orchestrator.execute.data.encode_rows import base_of, encoder_of
    from orchestrator.execute.data.statistics import TokenCounting
    from orchestrator.execute.models.tokenizer_folder import check_tokenizer

    tokenizer = arguments["tokenizer"]
    if tokenizer is not None:
        check_tokenizer(tokenizer)
    base = tokenizer or base_of(job, project, progress)
    name = str(tokenizer) if tokenizer else job.recipe.model.base
    cutoff = arguments["cutoff"] or job.recipe.data.cutoff_len
    return TokenCounting(encoder_of(job, base), name, job.recipe.template.name, cutoff)
