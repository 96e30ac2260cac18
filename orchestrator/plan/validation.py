"""Mistakes between two values of a recipe, or between a value and what exists, all at once. Pure.

Mistakes in a single value are found in recipe/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

from orchestrator.backends.engines import ENGINES
from orchestrator.backends.options.llamafactory import OPTIONS as TRAINER
from orchestrator.backends.options.table import OptionTable
from orchestrator.checks import CHECKS, EVERY, tool_call
from orchestrator.checks.reference import with_reference
from orchestrator.datasets.formats import FORMATS
from orchestrator.datasets.preferences import other_purpose
from orchestrator.datasets.split import part_name
from orchestrator.errors import Problem, did_you_mean
from orchestrator.metrics import METRICS
from orchestrator.plan import methods
from orchestrator.plan.job import Context
from orchestrator.plan.kinds import KINDS, TRAINED_IN
from orchestrator.plan.stage import BELOW_FLOOR, Runtime
from orchestrator.recipe import CheckCase, Data, Resolved
from orchestrator.recipe.explain import SHOWN


def unresolved(resolved: Resolved, context: Context) -> list[Problem]:
    """Every problem between the values of a recipe, and with the names in it."""
    return [
        *_kind_problems(resolved),
        *_method_problems(resolved, context),
        *_reward_problems(resolved, context),
        *_dataset_problems(resolved, context),
        *_purpose_problems(resolved, context),
        *_part_problems(resolved),
        *_check_problems(resolved),
        *_split_problems(resolved),
        *_stopping_problems(resolved),
        *_target_problems(resolved, context),
        *_passage_problems(resolved, "llamafactory", TRAINER),
        *_engine_problems(resolved),
    ]


def _kind_problems(resolved: Resolved) -> Iterable[Problem]:
    name = resolved.recipe.train.kind
    if name not in KINDS:
        what = f'train.kind: no training kind named "{name}"{did_you_mean(name, KINDS)}'
        yield Problem(what, resolved.where("train.kind"), f"kinds: {', '.join(KINDS)}")
        return
    kind = KINDS[name]
    yield from _environment_problems(resolved)
    for problem in kind.problems(resolved.recipe):
        yield replace(problem, where=resolved.where(problem.where))
    used = {
        **{f"preference.{key}": _users(key) for key in type(resolved.recipe.preference).model_fields},
        **{f"ppo.{key}": ("ppo",) for key in type(resolved.recipe.ppo).model_fields},
    }
    for path, users in used.items():
        if name not in users and resolved.origins.get(path) != "default":
            what = f"{path}: train.kind {name} does not use it"
            hint = f"delete it, or set train.kind: {', '.join(users)}"
            yield Problem(what, resolved.where(path, key=True), hint)


def _users(key: str) -> tuple[str, ...]:
    """The kinds that use a key of the section preference."""
    return tuple(name for name, kind in KINDS.items() if key in kind.preference)


def _reward_problems(resolved: Resolved, context: Context) -> Iterable[Problem]:
    """A reward model that is none, or that learned to score conversations written in another way."""
    if context.reward is None:
        return
    recipe, key = context.reward.job.recipe, context.reward.key
    where = resolved.where(key)
    if recipe.train.kind != "reward":
        what = f"{key}: recipe {recipe.name} is of kind {recipe.train.kind}, whose model scores nothing"
        yield Problem(what, where, "name a recipe of kind reward")
    mine, its = resolved.recipe.template, recipe.template
    if (mine.name, mine.thinking) != (its.name, its.thinking):
        what = (
            f"{key}: recipe {recipe.name} scores conversations in template {its.name}, thinking "
            f"{its.thinking}; this one writes them in {mine.name}, thinking {mine.thinking}"
        )
        yield Problem(what, where, "give both recipes the same section template")


def _environment_problems(resolved: Resolved) -> Iterable[Problem]:
    """An environment below the security floor that is not named, or one named that is not needed."""
    kind, named = resolved.recipe.train.kind, resolved.recipe.train.environment
    needed = TRAINED_IN.get(kind, Runtime.TRAIN)
    if named not in ("auto", needed):
        what = f"train.environment: train.kind {kind} is trained in the environment {needed}, not in {named}"
        yield Problem(what, resolved.where("train.environment"), "delete it")
    elif named == "auto" and needed in BELOW_FLOOR:
        what = f"train.kind: {kind} needs the environment {needed}, which has {BELOW_FLOOR[needed]}"
        hint = (
            f"set train.environment: {needed} to accept it: it runs without network, and reads only the "
            "safetensors of the recipes that this one is built on"
        )
        yield Problem(what, resolved.where("train.kind"), hint)


def _method_problems(resolved: Resolved, context: Context) -> Iterable[Problem]:
    """Methods that cannot run here, or not together: docs/methods.md."""
    for problem in methods.problems(resolved.recipe, context.hardware):
        yield replace(problem, where=resolved.where(problem.where))


def _purpose_problems(resolved: Resolved, context: Context) -> Iterable[Problem]:
    """Datasets whose format, named by the entry or seen in the first row, another kind of training reads."""
    kind, data = KINDS.get(resolved.recipe.train.kind), resolved.recipe.data
    for key in ("dataset", "validation", "test"):
        for name in getattr(data, key) if kind else ():
            entry = context.datasets.get(name)
            read = FORMATS.get(entry.format or entry.read_as) if entry else None
            if entry and kind and read and read.purpose != kind.purpose:
                what, hint = other_purpose(read.purpose, kind.purpose, entry.shown)
                first = f" ({entry.shown}:{entry.first_row})" if entry.first_row else ""
                yield Problem(f"data.{key}: {name}: {what}{first}", resolved.where(f"data.{key}"), hint)


def _dataset_problems(resolved: Resolved, context: Context) -> Iterable[Problem]:
    data = resolved.recipe.data
    named = {"data.dataset": data.dataset, "data.validation": data.validation, "data.test": data.test}
    for key, name in ((key, name) for key, names in named.items() for name in names):
        if name not in context.datasets:
            known = ", ".join(sorted(context.datasets)) or "none"
            yield Problem(
                f'{key}: no dataset named "{name}"{did_you_mean(name, context.datasets)}',
                resolved.where(key),
                f"write dataset_info/{name}.yaml, or use an existing one: {known}",
            )


def _part_problems(resolved: Resolved) -> Iterable[Problem]:
    """Contradictions between the rows for training, validation and test."""
    data = resolved.recipe.data
    if data.split is not None and data.validation_share:
        what = "data.validation_share: the parts are set twice, here and in data.split"
        yield Problem(what, resolved.where("data.validation_share"), "remove one of the two")
    for part, names in (("validation", data.validation), ("test", data.test)):
        if names and part in data.parts:
            what = f"data.{part}: {part} rows come from datasets and from a split of the training rows"
            yield Problem(what, resolved.where(f"data.{part}"), "remove one of the two")
    made = [part_name(name, part) for name in data.dataset for part in data.parts or ("train",)]
    for name, times in Counter([*made, *data.validation, *data.test]).items():
        if times > 1:
            what = f'data: two datasets would be named "{name}" (a part of a dataset is named after it)'
            yield Problem(what, resolved.where("data.dataset"), "name each dataset once, or rename one")


def _held(data: Data) -> set[str]:
    """The parts that have rows in the recipe's data."""
    given = {"test": data.test, "validation": data.validation}
    return {"train", *data.parts, *(part for part, names in given.items() if names)}


def _split_problems(resolved: Resolved) -> Iterable[Problem]:
    """A split to score that the recipe's data does not have."""
    split = resolved.recipe.evaluate.split
    if split != "none" and split not in _held(resolved.recipe.data):
        what = f"evaluate.split: the recipe's data has no {split} rows"
        hint = f"set data.split, e.g. {{train: 8, {split}: 2}}, or name a dataset under data.{split}"
        yield Problem(what, resolved.where("evaluate.split"), hint)


def _stopping_problems(resolved: Resolved) -> Iterable[Problem]:
    """Early stopping without the validation rows or checkpoints that it needs."""
    train = resolved.recipe.train
    if train.plateau and not train.checkpoint_steps:
        what = "train.plateau: a training without checkpoints cannot end early"
        where = resolved.where("train.plateau")
        yield Problem(what, where, "remove train.save_steps, or set it above 0")
    if train.early_stopping is None:
        return
    where = resolved.where("train.early_stopping")
    if "validation" not in _held(resolved.recipe.data):
        hint = "set data.validation_share, e.g. 0.1, or name a dataset under data.validation"
        yield Problem("train.early_stopping: the recipe's data has no validation rows", where, hint)
    if not train.checkpoint_steps:
        what = "train.early_stopping: without checkpoints there is no best one to return to"
        yield Problem(what, where, "remove train.save_steps, or set it above 0")


def _target_problems(resolved: Resolved, context: Context) -> Iterable[Problem]:
    """A target for something that is not measured."""
    recipe = resolved.recipe
    target = recipe.target
    for name in target.metrics:
        if name not in METRICS:
            what = f'target.metrics: no metric named "{name}"{did_you_mean(name, METRICS)}'
            where = resolved.where(f"target.metrics.{name}", key=True)
            yield Problem(what, where, f"metrics: {', '.join(METRICS)}")
    if target.metrics and recipe.evaluate.split == "none":
        what = "target.metrics: no rows are scored, because evaluate.split is none"
        yield Problem(what, resolved.where("target.metrics"), "set evaluate.split: test")
    if target.checks is not None and not recipe.verify.checks:
        what = "target.checks: the recipe has no verify.checks"
        yield Problem(what, resolved.where("target.checks"), "add some under verify.checks")
    elif target.checks is not None and not any(case.expect for case in recipe.verify.checks):
        what = "target.checks: no question under verify.checks has an expectation, so none is judged"
        hint = "add expect: {contains: …} to the questions, or set target.checks to null"
        yield Problem(what, resolved.where("target.checks"), hint)
    known = any(context.paraphrases.get(name) for name in recipe.data.dataset)
    if target.paraphrases is not None and not (known and recipe.verify.paraphrases):
        what = "target.paraphrases: no paraphrases are asked"
        hint = "name a file of them in the dataset's entry (paraphrases: …), and keep verify.paraphrases on"
        yield Problem(what, resolved.where("target.paraphrases"), hint)
    if recipe.sweep is not None and not target.given:
        what = "sweep: the recipe has no target to try settings for"
        yield Problem(what, resolved.where("sweep"), "add one, e.g. target: {checks: 0.95}")
    if recipe.sweep is not None and recipe.sweep.search == "grid" and not recipe.sweep.combinations:
        what = "sweep.settings: a grid needs lists of values, not ranges"
        yield Problem(what, resolved.where("sweep.settings"), "list the values, or set sweep.search: optuna")


def _check_problems(resolved: Resolved) -> Iterable[Problem]:
    parts = _held(resolved.recipe.data)
    for index, case in enumerate(resolved.recipe.verify.checks):
        if case.part and case.part not in parts:
            what = f"verify.checks[{index}].from: this recipe has no {case.part} rows"
            where = resolved.where(f"verify.checks[{index}].from")
            yield Problem(
                what, where, f"give {case.part} a weight in data.split, or a dataset in data.{case.part}"
            )
        expect = with_reference(case.expect, "…") if case.part else case.expect
        for name, argument in expect.items():
            key = f"verify.checks[{index}].expect"
            if name not in CHECKS:
                what = f'{key}: no check named "{name}"{did_you_mean(name, CHECKS)}'
                yield Problem(what, resolved.where(f"{key}.{name}", key=True), f"checks: {', '.join(CHECKS)}")
            elif wrong := CHECKS[name].problem(argument) or _misfit(name, argument, case):
                yield Problem(f"{key}.{name}: {wrong}", resolved.where(f"{key}.{name}"))
    for name in resolved.recipe.verify.every:
        if name not in EVERY:
            what = f'verify.every: no check named "{name}" that needs no argument{did_you_mean(name, EVERY)}'
            yield Problem(what, resolved.where("verify.every"), f"there are: {', '.join(EVERY)}")


def _misfit(name: str, argument: Any, case: CheckCase) -> str:
    """Why a valid check does not fit its case."""
    if name != "tool_call" or not argument:
        return ""
    return tool_call.unlisted(argument["name"], [tool["function"]["name"] for tool in case.tools])


def _engine_problems(resolved: Resolved) -> Iterable[Problem]:
    """A serving engine that does not exist, and options that it must not get."""
    serve = resolved.recipe.serve
    if serve.engine not in ENGINES:
        what = f'serve.engine: no engine named "{serve.engine}"{did_you_mean(serve.engine, ENGINES)}'
        yield Problem(what, resolved.where("serve.engine"), f"engines: {', '.join(ENGINES)}")
        return
    engine = ENGINES[serve.engine]
    kind = KINDS.get(resolved.recipe.train.kind)
    if kind and kind.scores and engine.limitations.scores:
        what = f"serve.engine: {engine.limitations.scores}"
        yield Problem(what, resolved.where("serve.engine"), "choose another one for a reward model")
    if engine.limitations.reasoning_parser and serve.reasoning_parser not in ("auto", "none"):
        what = f"serve.reasoning_parser: {engine.limitations.reasoning_parser}"
        yield Problem(what, resolved.where("serve.reasoning_parser"), "set it to none")
    if engine.passage:
        yield from _passage_problems(resolved, engine.passage, engine.options)


def _without_value(where: str) -> str:
    """The position without the value of a --set: it may be a secret.

    >>> _without_value("--set llamafactory.hf_hub_token=hf_…")
    '--set llamafactory.hf_hub_token'
    """
    return where.partition("=")[0] if where.startswith("--set ") else where


def _passage_problems(resolved: Resolved, section: str, options: OptionTable) -> Iterable[Problem]:
    """Settings of an engine that Conch does not pass on: docs/security.md."""
    # The first ones only: each looks for the nearest of hundreds of names.
    for refusal in islice(options.refusals(getattr(resolved.recipe, section)), SHOWN):
        steps = (section, *refusal.keys)
        where = _without_value(resolved.where(steps, key=True))
        yield Problem(f"{'.'.join(steps)}: {refusal.what}", where, refusal.hint)
