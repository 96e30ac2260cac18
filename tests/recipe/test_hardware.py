"""Hardware profiles: one place for the defaults that depend on the machine, below all that a recipe says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.recipe import RecipeSource, Resolved, compose
from orchestrator.recipe.hardware import PROFILES

BARE = "model: {base: embedded}\ndata: {dataset: d}\ntemplate: {name: qwen3}\n"


def built(profile: str, text: str = "") -> Resolved:
    return compose([RecipeSource("recipes/x.yaml", BARE + text)], profile=profile)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_recipe_that_says_nothing_has_the_defaults_of_its_profile(profile: str) -> None:
    resolved, defaults = built(profile), PROFILES[profile]
    train = resolved.recipe.train
    assert train.learning_rate == defaults.learning_rate
    assert (train.batch_size, train.gradient_accumulation) == (
        defaults.batch_size,
        defaults.gradient_accumulation,
    )
    assert train.gradient_checkpointing is defaults.gradient_checkpointing
    assert resolved.origins["train.learning_rate"] == "default"


def test_a_default_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "cpu", replace(PROFILES["cpu"], learning_rate=0.25))
    assert built("cpu").recipe.train.learning_rate == 0.25
    assert built("cuda").recipe.train.learning_rate == PROFILES["cuda"].learning_rate


def test_a_recipe_overrides_it_everywhere_or_on_one_profile() -> None:
    text = "train: {learning_rate: 0.5}\nhardware: {cuda: {train: {batch_size: 3}}}\n"
    cpu, cuda = built("cpu", text).recipe.train, built("cuda", text).recipe.train
    assert (cpu.learning_rate, cuda.learning_rate) == (0.5, 0.5)
    assert (cpu.batch_size, cuda.batch_size) == (PROFILES["cpu"].batch_size, 3)
