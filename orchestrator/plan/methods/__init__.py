"""Training methods: METHODS, one row each; what a recipe chooses of them, what it renders, what is refused.

Pure. `train.kind` says what is trained for (plan/kinds/), a method how: which weights, held how, by which
optimizer. A recipe may choose several rows at once. docs/methods.md is generated from the table (`pytest
tests/plan/methods --golden`). To add a method: a row of trained.py, with its key in recipe/sections.py, or of
passed.py for a key of LLaMA-Factory's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.errors import Problem
from orchestrator.plan.methods.base import LORA, Method, Runs
from orchestrator.plan.methods.passed import PASSED
from orchestrator.plan.methods.trained import TRAINED
from orchestrator.recipe import Recipe

METHODS: tuple[Method, ...] = (*TRAINED, *PASSED)
BY_NAME = {method.name: method for method in METHODS}
# What LLaMA-Factory reads again when it loads the adapter for the export.
_OF_EXPORT = ("resize_vocab", "add_tokens", "add_special_tokens", "init_special_tokens")


def chosen(recipe: Recipe) -> tuple[Method, ...]:
    """The rows that a recipe chooses."""
    return tuple(method for method in METHODS if method.takes(_value(recipe, method.key)))


def train_settings(recipe: Recipe) -> Mapping[str, object]:
    """What the chosen methods render into train.yaml."""
    settings: dict[str, object] = {"finetuning_type": recipe.train.method}
    for method in chosen(recipe):
        settings |= method.settings(recipe.train)
    return settings


def export_settings(recipe: Recipe, adapter: str) -> Mapping[str, object]:
    """Which model and adapter `llamafactory-cli export` merges: never onto a quantized base."""
    lora = recipe.train.method == LORA
    again = {key: recipe.llamafactory[key] for key in _OF_EXPORT if key in recipe.llamafactory}
    if {"add_tokens", "add_special_tokens"} & again.keys():
        again["resize_vocab"] = True
    return {
        "model_name_or_path": "inputs/base" if lora else adapter,
        "adapter_name_or_path": adapter if lora else None,
        "finetuning_type": recipe.train.method,
        **again,
    }


def problems(recipe: Recipe, hardware: str) -> Iterable[Problem]:
    """What cannot run, here or at all, and what excludes each other; `where` is the dotted key."""
    rows = chosen(recipe)
    names = {method.name: method for method in rows}
    for method in rows:
        here = f"{method.key}: {method.name}"
        if method.runs is Runs.NOWHERE:
            yield Problem(f"{here} cannot run: {method.why}", method.key, method.instead)
        elif method.runs is Runs.CUDA and hardware != "cuda":
            what = f"{here} runs {Runs.CUDA}: {method.why}"
            yield Problem(what, method.key, "set it under hardware.cuda, or delete it")
        if recipe.train.method not in method.methods and method.runs is not Runs.NOWHERE:
            what = f"{here} does not go with train.method: {recipe.train.method}"
            yield Problem(what, method.key, f"set train.method: {' or '.join(sorted(method.methods))}")
        if why := (method.unfit or {}).get(recipe.train.kind):
            what = f"{here} does not go with train.kind: {recipe.train.kind}: {why}"
            yield Problem(what, method.key)
        if method.needs not in {"", *names}:
            what, needed = f"{here} changes nothing without {method.needs}", BY_NAME[method.needs]
            yield Problem(what, method.key, f"set {needed.key}: {needed.recipe[1]}, or delete it")
        for other in sorted(method.without & names.keys()):
            what = f"{here} and {other} ({names[other].key}) exclude each other"
            yield Problem(what, method.key, "delete one of the two")
    yield from _traps(recipe, hardware)


def _traps(recipe: Recipe, hardware: str) -> Iterable[Problem]:
    """What LLaMA-Factory accepts and does not do, or does wrongly, without a word."""
    train = recipe.train
    if train.compute_type == "fp16" and hardware == "cpu":
        what = "train.compute_type: on a CPU, fp16 is silently trained in float32"
        yield Problem(what, "train.compute_type", "set fp32 or bf16")
    if train.freeze_layers == 0:
        yield Problem(
            "train.freeze_layers: with 0, no layer is trained", "train.freeze_layers", "set 1 or more"
        )
    if train.pissa and train.save_steps:
        what = "train.save_steps: a resumed PiSSA training is converted wrongly, so it saves no checkpoints"
        yield Problem(what, "train.save_steps", "delete it, or set train.pissa: false")
    if train.pissa and train.kind == "dpo" and recipe.preference.loss == "sigmoid":
        what = "train.pissa: PiSSA changes the base, which is the reference of preference.loss sigmoid"
        yield Problem(what, "train.pissa", "set preference.loss: orpo or simpo, or delete it")
    if recipe.llamafactory.get("galore_layerwise") and train.gradient_accumulation != 1:
        what = "llamafactory.galore_layerwise: layer-wise GaLore updates at every batch"
        yield Problem(what, "llamafactory.galore_layerwise", "set train.gradient_accumulation: 1")


def _value(recipe: Recipe, key: str) -> object:
    """The value of a dotted key; None for one that is not set."""
    section, _, name = key.partition(".")
    if section == "llamafactory":
        return recipe.llamafactory.get(name)
    default = type(recipe.train).model_fields[name].default if name != "method" else None
    value: object = getattr(recipe.train, name)
    return value if value != default else None
