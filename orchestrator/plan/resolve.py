"""resolve() gives every name in a recipe the thing it stands for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from orchestrator.checks.base import Case, DatasetCase
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.errors import Problem, UsageError
from orchestrator.plan.job import Context, Job
from orchestrator.plan.validation import unresolved
from orchestrator.recipe import Resolved
from orchestrator.templates.pairing import choose


def resolve(
    resolved: Resolved,
    surroundings: Context,
    *,
    chat_template: str | None = None,
    accept_mismatch: bool = False,
) -> Job:
    """Give every name in a recipe the thing it stands for.

    Args:
        resolved: the composed recipe, with where each value came from.
        surroundings: what was seen of the world.
        chat_template: a jinja to serve and prove instead of the paired one.
        accept_mismatch: go on when the proofs do not hold.

    Raises:
        UsageError: with every unknown data set, check, owned engine key or missing pairing at once.
    """
    recipe = resolved.recipe
    problems = unresolved(resolved, surroundings)
    wanted = recipe.template
    try:
        template = choose(surroundings.templates, wanted.name, wanted.thinking, wanted.history)
    except UsageError as error:
        problems += [Problem(p.what, resolved.where("template"), p.hint) for p in error.problems]
    if problems:
        raise UsageError(*problems)
    datasets, validation, test = (
        tuple(surroundings.datasets[name] for name in names)
        for names in (recipe.data.dataset, recipe.data.validation, recipe.data.test)
    )
    job = Job(
        recipe=recipe,
        hardware=surroundings.hardware,
        template=template,
        datasets=datasets,
        lockfiles=surroundings.lockfiles,
        chat_template=template.text if chat_template is None else chat_template,
        paraphrases=tuple(_paraphrases(datasets, surroundings)) if recipe.verify.paraphrases else (),
        base_folder=surroundings.base_folder,
        base_state=surroundings.base_state,
        accept_mismatch=accept_mismatch,
        validation=validation,
        test=test,
        origins=resolved.origins,
    )
    return replace(job, cases=tuple(_cases(job)))


def _cases(job: Job) -> Iterable[Case | DatasetCase]:
    for index, case in enumerate(job.recipe.verify.checks):
        name, system = f"checks[{index}]", case.system or ""
        expect, tools = dict(case.expect), tuple(case.tools)
        if case.part is None:
            yield Case(name, tuple(case.ask or ()), system, expect, tools=tools)
        else:
            yield DatasetCase(
                id=name,
                part=case.part,
                datasets=job.names_of(case.part),
                limit=case.limit,
                system=system,
                expect=expect,
                tools=tools,
            )


def _paraphrases(datasets: tuple[DatasetEntry, ...], surroundings: Context) -> Iterable[Case]:
    rows = [row for entry in datasets for row in surroundings.paraphrases.get(entry.name, ())]
    for index, row in enumerate(rows):
        ask = (row["ask"],) if isinstance(row["ask"], str) else tuple(row["ask"])
        yield Case(f"paraphrases[{index}]", ask, row.get("system") or "", dict(row["expect"]))
