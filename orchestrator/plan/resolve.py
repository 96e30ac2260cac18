"""resolve() replaces every name in a recipe by what it stands for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from orchestrator.backends.engines import ENGINES
from orchestrator.checks.base import Case, DatasetCase
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.errors import Problem, UsageError
from orchestrator.plan.job import Context, Job
from orchestrator.plan.validation import unresolved
from orchestrator.recipe import Resolved
from orchestrator.templates.pairing import choose
from orchestrator.templates.tool_formats import PARSER_ALIASES


def resolve(
    resolved: Resolved,
    context: Context,
    *,
    chat_template: str | None = None,
    accept_mismatch: bool = False,
) -> Job:
    """Replace every name in a recipe by what it stands for.

    Args:
        resolved: the composed recipe, with the origin of each value.
        context: what exists on this machine and in the project.
        chat_template: a jinja template to serve and prove instead of the paired one.
        accept_mismatch: continue if the proofs do not hold.

    Raises:
        UsageError: with every unknown dataset, check, owned engine key or missing pairing at once.
    """
    recipe = resolved.recipe
    problems = unresolved(resolved, context)
    wanted = recipe.template
    try:
        template = choose(context.templates, wanted.name, wanted.thinking, wanted.history)
    except UsageError as error:
        problems += [Problem(p.what, resolved.where("template"), p.hint) for p in error.problems]
    if problems:
        raise UsageError(*problems)
    datasets, validation, test = (
        tuple(context.datasets[name] for name in names)
        for names in (recipe.data.dataset, recipe.data.validation, recipe.data.test)
    )
    job = Job(
        recipe=recipe,
        hardware=context.hardware,
        template=template,
        datasets=datasets,
        lockfiles=context.lockfiles,
        chat_template=template.text if chat_template is None else chat_template,
        paraphrases=tuple(_paraphrases(datasets, context)) if recipe.verify.paraphrases else (),
        base_folder=context.base_folder,
        base_state=context.base_state,
        base_job=context.base_job,
        reward=context.reward,
        accept_mismatch=accept_mismatch,
        validation=validation,
        test=test,
        origins=resolved.origins,
    )
    if problem := _parser_problem(job):
        raise UsageError(problem)
    return replace(job, cases=tuple(_cases(job)))


def _parser_problem(job: Job) -> Problem | None:
    """A tool parser that cannot read the calls that the training writes."""
    engine, trained = ENGINES[job.recipe.serve.engine], job.tool_parser
    options: Mapping[str, object] = getattr(job.recipe, engine.passage) if engine.passage else {}
    spellings = (engine.tool_parser_option, engine.tool_parser_option.replace("-", "_"))
    given = next((key for key in spellings if key in options), None)
    if given is None or trained is None or PARSER_ALIASES.get(str(options[given])) == trained:
        return None
    what = (
        f"{engine.passage}.{given}: {options[given]} reads calls of another format than template"
        f" {job.recipe.template.name} trains; they would come back as text"
    )
    return Problem(what, job.origins.get(f"{engine.passage}.{given}", ""), f"delete it: {trained} is used")


def _cases(job: Job) -> Iterable[Case | DatasetCase]:
    for index, case in enumerate(job.recipe.verify.checks):
        name, system = f"checks[{index}]", case.system or ""
        expect, tools, results = dict(case.expect), tuple(case.tools), tuple(case.results)
        if case.part is None:
            yield Case(name, tuple(case.ask or ()), system, expect, tools=tools, results=results)
        else:
            yield DatasetCase(
                id=name,
                part=case.part,
                datasets=job.names_of(case.part),
                limit=case.limit,
                system=system,
                expect=expect,
                tools=tools,
                results=results,
            )


def _paraphrases(datasets: tuple[DatasetEntry, ...], context: Context) -> Iterable[Case]:
    rows = [row for entry in datasets for row in context.paraphrases.get(entry.name, ())]
    for index, row in enumerate(rows):
        ask = (row["ask"],) if isinstance(row["ask"], str) else tuple(row["ask"])
        yield Case(f"paraphrases[{index}]", ask, row.get("system") or "", dict(row["expect"]))
