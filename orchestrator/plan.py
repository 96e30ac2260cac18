"""From a recipe to a plan: resolve() gives every name its thing, build_plan() lists the stages. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.checks import CHECKS, EVERY, tool_call
from orchestrator.checks.reference import with_reference
from orchestrator.datasets.entry import DatasetEntry
from orchestrator.datasets.split import part_name
from orchestrator.dialects import llamafactory, vllm
from orchestrator.errors import Problem, UsageError
from orchestrator.job import Job, Surroundings
from orchestrator.recipe import Case, Resolved
from orchestrator.recipe.sections import Data
from orchestrator.stage import Plan
from orchestrator.stages import STAGES
from orchestrator.templates.pairing import choose

# What each verb runs; a stage that a recipe has switched off is left out.
SFT = ("fetch", "prepare", "prove_data", "train", "lock", "export", "prove_export", "certify")
PARITY = ("fetch", "prepare", "prove_data")
PROVE = ("prove_data", "prove_export", "score", "prove_served", "certify")
RUN = tuple(STAGES)


def resolve(
    resolved: Resolved,
    surroundings: Surroundings,
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
    problems = [
        *_dataset_problems(resolved, surroundings),
        *_part_problems(resolved),
        *_check_problems(resolved),
        *_split_problems(resolved),
        *_owned_problems(resolved, "llamafactory", llamafactory.OWNED, str),
        *_owned_problems(resolved, "vllm", vllm.OWNED, vllm.canonical_key),
        *_unsafe_problems(resolved, "llamafactory", llamafactory.unsafe),
        *_unsafe_problems(resolved, "vllm", vllm.unsafe),
    ]
    wanted = recipe.template
    try:
        template = choose(surroundings.templates, wanted.name, wanted.thinking, wanted.history)
    except UsageError as error:
        problems += [Problem(p.what, resolved.where("template"), p.mend) for p in error.problems]
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
        locks=surroundings.locks,
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


def build_plan(job: Job, names: Iterable[str] = RUN) -> Plan:
    """The stages of a job, in order; same job, same bytes."""
    wanted = set(names)
    if not job.recipe.verify.base:
        wanted.discard("ask_base")
    evaluate = job.recipe.evaluate
    if evaluate.split == "none":
        wanted.discard("evaluate")
    if evaluate.split == "none" or not evaluate.base:
        wanted.discard("evaluate_base")
    stages = tuple(make(job) for name, make in STAGES.items() if name in wanted)
    return Plan(recipe=job.recipe.name, headline=headline(job), stages=stages)


def headline(job: Job) -> str:
    """The first line of a run: which base, on which hardware; a stand-in is called one."""
    model = job.recipe.model
    base = f"{model.base}@{model.revision[:12]}" if model.revision else model.base
    if job.stand_in:
        base = "the embedded stand-in base (SmolLM2-135M in DeepSeek-R1's format: not a DeepSeek model)"
    if job.base_folder:
        base = model.base
    return f"{job.recipe.name}: training {base} on {job.hardware} ({job.compute_type})"


def _cases(job: Job) -> Iterable[Mapping[str, Any]]:
    for index, case in enumerate(job.recipe.verify.checks):
        told: dict[str, Any] = {"id": f"checks[{index}]", "system": case.system, "expect": dict(case.expect)}
        told |= {"tools": list(case.tools)} if case.tools else {}
        if case.part is None:
            yield told | {"ask": list(case.ask or ())}
        else:
            yield told | {"from": case.part, "limit": case.limit, "datasets": list(job.names_of(case.part))}


def _paraphrases(
    datasets: tuple[DatasetEntry, ...], surroundings: Surroundings
) -> Iterable[Mapping[str, Any]]:
    rows = [row for entry in datasets for row in surroundings.paraphrases.get(entry.name, ())]
    for index, row in enumerate(rows):
        ask = row["ask"]
        yield {
            "id": f"paraphrases[{index}]",
            "ask": [ask] if isinstance(ask, str) else list(ask),
            "system": row.get("system"),
            "expect": dict(row["expect"]),
        }


def _dataset_problems(resolved: Resolved, surroundings: Surroundings) -> Iterable[Problem]:
    data = resolved.recipe.data
    wanted = {"data.dataset": data.dataset, "data.validation": data.validation, "data.test": data.test}
    for key, name in ((key, name) for key, names in wanted.items() for name in names):
        if name not in surroundings.datasets:
            known = ", ".join(sorted(surroundings.datasets)) or "none"
            yield Problem(
                f'{key}: no data set named "{name}"{_near(name, surroundings.datasets)}',
                resolved.where(key),
                f"write dataset_info/{name}.yaml, or name one that is there: {known}",
            )


def _part_problems(resolved: Resolved) -> Iterable[Problem]:
    """What cannot be true together of the rows that are trained, validated and tested."""
    data = resolved.recipe.data
    if data.split is not None and data.validation_share:
        what = "data.validation_share: the parts are said twice, here and in data.split"
        yield Problem(what, resolved.where("data.validation_share"), "leave one of the two")
    for part, names in (("validation", data.validation), ("test", data.test)):
        if names and part in data.parts:
            what = f"data.{part}: {part} rows are named, and split off the training rows as well"
            yield Problem(what, resolved.where(f"data.{part}"), "leave one of the two")
    made = [part_name(name, part) for name in data.dataset for part in data.parts or ("train",)]
    for name, times in Counter([*made, *data.validation, *data.test]).items():
        if times > 1:
            what = f'data: two data sets would be named "{name}" (a part of a data set is named after it)'
            yield Problem(what, resolved.where("data.dataset"), "name each data set once, or rename one")


def _held(data: Data) -> set[str]:
    """The parts of which a recipe's data has rows."""
    given = {"test": data.test, "validation": data.validation}
    return {"train", *data.parts, *(part for part, names in given.items() if names)}


def _split_problems(resolved: Resolved) -> Iterable[Problem]:
    """A split that is scored and that the recipe's data does not hold."""
    split = resolved.recipe.evaluate.split
    if split != "none" and split not in _held(resolved.recipe.data):
        what = f"evaluate.split: the recipe's data has no {split} rows"
        mend = f"set data.split, e.g. {{train: 8, {split}: 2}}, or name a data set under data.{split}"
        yield Problem(what, resolved.where("evaluate.split"), mend)


def _check_problems(resolved: Resolved) -> Iterable[Problem]:
    parts = _held(resolved.recipe.data)
    for index, case in enumerate(resolved.recipe.verify.checks):
        if case.part and case.part not in parts:
            what = f"verify.checks[{index}].from: this recipe has no {case.part} rows"
            where = resolved.where(f"verify.checks[{index}].from")
            yield Problem(
                what, where, f"give {case.part} a weight in data.split, or a data set in data.{case.part}"
            )
        expect = with_reference(case.expect, "…") if case.part else case.expect
        for name, argument in expect.items():
            key = f"verify.checks[{index}].expect"
            if name not in CHECKS:
                what = f'{key}: no check named "{name}"{_near(name, CHECKS)}'
                yield Problem(what, resolved.where(f"{key}.{name}", key=True), f"checks: {', '.join(CHECKS)}")
            elif wrong := CHECKS[name].problem(argument) or _misfit(name, argument, case):
                yield Problem(f"{key}.{name}: {wrong}", resolved.where(f"{key}.{name}"))
    for name in resolved.recipe.verify.every:
        if name not in EVERY:
            what = f'verify.every: no check named "{name}" that needs no argument{_near(name, EVERY)}'
            yield Problem(what, resolved.where("verify.every"), f"there are: {', '.join(EVERY)}")


def _misfit(name: str, argument: Any, case: Case) -> str:
    """Why a check cannot be made of a case that is itself right."""
    return tool_call.unlisted(argument, case.tools) if name == "tool_call" else ""


def _owned_problems(
    resolved: Resolved, section: str, owned: Mapping[str, str], spell: Any
) -> Iterable[Problem]:
    for key in getattr(resolved.recipe, section):
        home = owned.get(spell(key))
        if home is not None:
            yield Problem(
                f"{section}.{key}: Conch sets this itself",
                resolved.where(f"{section}.{key}", key=True),
                f"use {home} instead",
            )


def _unsafe_problems(
    resolved: Resolved, section: str, unsafe: Callable[[str], str | None]
) -> Iterable[Problem]:
    """Settings that open what Conch keeps shut, or hold a secret: docs/security.md."""
    for key in getattr(resolved.recipe, section):
        if why := unsafe(key):
            what = f"{section}.{key}: Conch does not pass this on: {why}"
            yield Problem(what, resolved.where(f"{section}.{key}", key=True), "delete it")


def _near(name: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
