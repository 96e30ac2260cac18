"""`conch parity`: compare the tokens of training with the tokens of serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from orchestrator.cli.text.program import runnable
from orchestrator.cli.verb import Outcome, hardware_option, progress, set_option, verb

if TYPE_CHECKING:
    from orchestrator.execute.proving.standalone_parity import Compared

FILE = click.Path(path_type=Path)


class Parity(TypedDict):
    """What is shown of parity.json, and its path as `proof`."""

    holds: bool
    numbers: Mapping[str, int]
    covered: str
    first_difference: Mapping[str, object] | None
    proof: str


class StandaloneOptions(TypedDict):
    """The options that apply without a recipe."""

    tokenizer: Path | None
    template: str | None
    thinking: str | None
    history: str | None
    conversations: Path | None
    fix: Path | None


@verb(
    example="conch parity magic_conch\n"
    "conch parity magic_conch --chat-template official.jinja --json\n"
    "conch parity --tokenizer models/mine --template qwen3 --thinking off --history strip"
)
@click.argument("recipe", required=False, metavar="[RECIPE]")
@set_option
@hardware_option
@click.option("--chat-template", type=FILE, help="Use this Jinja file instead of the paired template.")
@click.option("--tokenizer", type=FILE, metavar="DIR", help="Without a recipe: the model folder.")
@click.option("--template", metavar="NAME", help="Without a recipe: LLaMA-Factory's template.")
@click.option("--thinking", type=click.Choice(["on", "off", "mixed"]), help="Without a recipe; default: on.")
@click.option("--history", type=click.Choice(["keep", "strip"]), help="Without a recipe; default: keep.")
@click.option(
    "--conversations", type=FILE, metavar="FILE.jsonl", help="Without a recipe; default: 500 generated ones."
)
@click.option(
    "--fix",
    type=FILE,
    metavar="COPY",
    help="Without a recipe: write a copy of DIR whose tokenizer every version reads correctly, and use that.",
)
def command(
    *,
    recipe: str | None,
    sets: Sequence[str],
    hardware: str,
    chat_template: Path | None,
    **standalone: Unpack[StandaloneOptions],
) -> Outcome:
    """Compare the tokens of training with the tokens of serving.

    Compares the ids that LLaMA-Factory makes in the train environment with the ids that vLLM makes in the
    serve environment, over the recipe's rows and generated ones; with --tokenizer, without a recipe. Exits
    with 0 if they are equal or the served prompt only adds the first trained tokens, otherwise with 5 and the
    first position that differs.
    """
    _refuse_mixtures(recipe, sets, standalone)
    if standalone["tokenizer"] is not None:
        return _without_recipe(standalone["tokenizer"], hardware, chat_template, standalone)
    return _of_recipe(recipe or "magic_conch", sets, hardware, chat_template)


def _refuse_mixtures(recipe: str | None, sets: Sequence[str], options: StandaloneOptions) -> None:
    if options["tokenizer"] is None:
        unused = [f"--{name}" for name, value in options.items() if value is not None]
        if unused:
            raise click.UsageError(f"{', '.join(unused)}: only with --tokenizer DIR, without a recipe")
    elif recipe or sets:
        raise click.UsageError("use either a recipe or --tokenizer, not both")
    elif options["template"] is None:
        raise click.UsageError("--tokenizer requires --template NAME")


def _of_recipe(recipe: str, sets: Sequence[str], hardware: str, chat_template: Path | None) -> Outcome:
    import json

    from orchestrator.cli.text.live import TerminalProgress
    from orchestrator.errors import Problem, UsageError
    from orchestrator.execute.project import discovery, recipes
    from orchestrator.execute.run_store.run_paths import make_private
    from orchestrator.execute.runner.run_plan import run_recipe
    from orchestrator.plan.plan import PARITY, build_plan
    from orchestrator.plan.stages.base import DATA_PROOF, PARITY_OF_DATA, unproven

    project = recipes.project_folder(Path.cwd())
    job = discovery.read_job(
        recipe, project=project, sets=sets, hardware=hardware, chat_template=chat_template
    )
    if why := unproven(job).get(PARITY_OF_DATA):
        where = job.origins.get("train.kind", "")
        raise UsageError(Problem(f"{job.recipe.name} has no answers to compare: {why}", where))
    live = TerminalProgress()
    # A template that is only tried must not become the recipe's last run.
    home = project if chat_template is None else make_private(project, ".parity")
    folder, _ = run_recipe(build_plan(job, PARITY), job, project=project, home=home, progress=live)
    path = folder / DATA_PROOF / "parity.json"
    parity: Parity = json.loads(path.read_text(encoding="utf-8")) | {"proof": str(path)}
    return Outcome(data=parity, text=_text(parity), exit_code=0 if parity["holds"] else 5)


def _without_recipe(
    tokenizer: Path, hardware: str, chat_template: Path | None, options: StandaloneOptions
) -> Outcome:
    from orchestrator.execute.models.fix_tokenizer import write_corrected_copy
    from orchestrator.execute.models.tokenizer_folder import check_tokenizer
    from orchestrator.execute.proving.standalone_parity import Question, compare_standalone

    fixed = options["fix"]
    if fixed is not None:
        check_tokenizer(tokenizer)
        write_corrected_copy(tokenizer, fixed)
        progress(f"wrote {fixed}, a copy of {tokenizer} with a corrected tokenizer_config.json")
    question = Question(
        tokenizer=fixed or tokenizer,
        template=options["template"] or "",
        thinking=options["thinking"] or "on",
        history=options["history"] or "keep",
        chat_template=chat_template,
        conversations=options["conversations"],
        hardware=hardware,
    )
    found = compare_standalone(question, progress)
    data = {**found, **({"fixed": str(fixed)} if fixed else {})}
    return Outcome(data=data, text=_standalone_text(found), exit_code=0 if found["holds"] else 5)


def _text(parity: Parity) -> str:
    lines = [_summary(parity["numbers"], parity["covered"], holds=parity["holds"])]
    lines += _first(parity["first_difference"])
    lines.append(f"details        {parity['proof']}")
    return "\n".join(lines)


def _summary(numbers: Mapping[str, int], covered: str, *, holds: bool) -> str:
    counts = ", ".join(f"{number} {name}" for name, number in numbers.items() if number)
    return f"{'equal' if holds else 'different'}: {counts} ({covered})"


def _standalone_text(found: Compared) -> str:
    lines = [_summary(found["counts"], found["covered"], holds=found["holds"])]
    proof = found["tokenizer"]
    lines.append(f"tokenizer      {'equal' if proof['holds'] else 'different'}: {proof['covered']}")
    if not proof["holds"]:
        lines += _first({"explanation": proof["detail"], "hint": proof["hint"]})
    lines += _first(found["first_difference"])
    if found["unreachable"]:
        lines.append(f"unreachable    {found['unreachable']} conversations: same text, other ids")
    apart = {
        name: number
        for name, counted in found["spellings"].items()
        if (number := sum(counted.values()) - counted.get("equal", 0) - counted.get("prefill", 0))
    }
    if apart:
        named = ", ".join(f"{name} {number}" for name, number in apart.items())
        lines.append(f"warning        clients that send history in these ways get other prompts: {named}")
    lines.append(f"chat template  {found['chat_template']['name']}")
    return "\n".join(lines)


def _first(difference: Mapping[str, object] | None) -> list[str]:
    from orchestrator.outside import visible

    told = difference or {}
    return [
        f"{name:<14} {visible(runnable(str(one)) if name == 'hint' else str(one))}"
        for name, one in told.items()
    ]
