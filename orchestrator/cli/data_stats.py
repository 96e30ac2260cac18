"""`conch data stats`: what a data file or the data sets of a recipe are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.data_options import columns_of, reading_of, reading_options
from orchestrator.cli.text.page_file import check_page, write_page
from orchestrator.cli.verb import Outcome, hardware_option, progress, set_option, verb

if TYPE_CHECKING:
    from orchestrator.execute.data.statistics import Counting, StatisticsSource
    from orchestrator.plan.job import Job

DIRECTORY = click.Path(path_type=Path)
RECIPES = {".yaml", ".yml"}
# LLaMA-Factory's template that adds nothing: the tokens of the text alone.
PLAIN = "empty"


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
@click.option("--near-duplicates", "near", is_flag=True, help="Look for questions that are nearly the same.")
@click.option("--out", type=DIRECTORY, metavar="FILE.html", help="Also write it as a page.")
@click.option("--open", "opened", is_flag=True, help="Show the page in the browser.")
@set_option
@hardware_option
def command(*, what: str, out: Path | None, opened: bool, near: bool, **asked: Any) -> Outcome:
    """Say how long rows are, how often the same is said, and in which languages.

    Turns, characters and tokens as percentiles and histograms, the share of the rows over the cutoff and the
    cutoff that keeps 99 % of them whole, duplicates, conflicting and repeated answers, languages and scripts,
    personal data, and what looks odd. The file is only read.
    """
    from orchestrator.cli.text.statistics import stats_text
    from orchestrator.execute.data.statistics import statistics

    check_page(out, opened=opened)
    sources, counting = _sources(what, asked)
    data = {"data_sets": [statistics(one, counting, near=near, say=progress) for one in sources]}
    if out is not None:
        write_page(out, "statistics", f"{what}: what the data is like", data, opened=opened)
    return Outcome({**data, "page": str(out) if out else None}, stats_text(data["data_sets"]))


def _sources(what: str, asked: Mapping[str, Any]) -> tuple[list[StatisticsSource], Counting | None]:
    """(the files, how tokens are counted)."""
    _refuse_mixtures(asked)
    path = Path(what)
    if path.suffix in RECIPES or not (path.exists() or path.suffix):
        return _of_recipe(what, asked)
    from orchestrator.execute.data.statistics import StatisticsSource

    reading = reading_of(items=asked["items"], sheet=asked["sheet"], part=asked["part"])
    source = StatisticsSource(path, what, asked["format_name"], columns_of(asked["columns"]), reading)
    return [source], _counting(asked)


def _refuse_mixtures(asked: Mapping[str, Any]) -> None:
    if asked["template"] and asked["tokenizer"] is None:
        raise click.UsageError("--template needs --tokenizer DIR")
    if asked["recipe"] and asked["template"]:
        raise click.UsageError("--recipe names a template: give --recipe or --template")


def _of_recipe(what: str, asked: Mapping[str, Any]) -> tuple[list[StatisticsSource], Counting | None]:
    from orchestrator.execute.data.encode_rows import file_of
    from orchestrator.execute.data.statistics import StatisticsSource

    words = {"format_name": "--format", "columns": "--column", "items": "--items", "sheet": "--sheet"}
    words |= {"part": "--part", "recipe": "--recipe", "template": "--template"}
    lost = [word for name, word in words.items() if asked[name]]
    if lost:
        raise click.UsageError(f"{lost[0]} is for a file; a recipe says it itself")
    job, project = _job(what, asked)
    most = job.recipe.data.max_samples
    files = [
        StatisticsSource.of_entry(entry, file_of(entry, job, project), most) for entry in job.all_datasets
    ]
    return files, _counted_by(job, project, asked)


def _counting(asked: Mapping[str, Any]) -> Counting | None:
    from orchestrator.execute.data.statistics import template_only

    if asked["recipe"]:
        return _counted_by(*_job(asked["recipe"], asked), asked)
    if asked["tokenizer"] is None:
        return None
    from orchestrator.execute.host.machine import hardware
    from orchestrator.execute.models.tokenizer_folder import check_tokenizer

    check_tokenizer(asked["tokenizer"])
    profile = hardware() if asked["hardware"] == "auto" else asked["hardware"]
    return template_only(asked["template"] or PLAIN, asked["tokenizer"], asked["cutoff"], profile)


def _job(recipe: str, asked: Mapping[str, Any]) -> tuple[Job, Path]:
    from orchestrator.execute.project import discovery, recipes

    project = recipes.project_folder(Path.cwd())
    sets: Sequence[str] = asked["sets"]
    return discovery.read_job(recipe, project=project, sets=sets, hardware=asked["hardware"]), project


def _counted_by(job: Job, project: Path, asked: Mapping[str, Any]) -> Counting:
    """As a recipe trains; with another folder's tokenizer when one was named."""
    from orchestrator.execute.data.encode_rows import base_of, encoder_of
    from orchestrator.execute.data.statistics import Counting
    from orchestrator.execute.models.tokenizer_folder import check_tokenizer

    given: Path | None = asked["tokenizer"]
    if given is not None:
        check_tokenizer(given)
    base = given or base_of(job, project, progress)
    name = str(given) if given else job.recipe.model.base
    cutoff = asked["cutoff"] or job.recipe.data.cutoff_len
    return Counting(encoder_of(job, base), name, job.recipe.template.name, cutoff)
