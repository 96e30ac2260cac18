"""A job's recipe: its hyperparameters on every profile, its questions, and bases that recipes name."""
# Covers studio/job_recipe.py studio/catalog.py

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.testclient import TestClient

from orchestrator.recipe import Recipe, RecipeSource, compose
from orchestrator.recipe.hardware import PROFILES
from orchestrator.studio.catalog import bases
from tests.small_world import ROOT, ROWS, SmallWorld
from tests.studio.world import TAUGHT, lines

PAIRS = [{"instruction": ask, "chosen": "好。", "rejected": "不。"} for ask in ROWS]


@dataclass(frozen=True)
class Created:
    """A job as its client sees it, and its recipe on each profile."""

    job: dict[str, Any]
    recipes: dict[str, Recipe]


def send(api: TestClient, rows: Sequence[Mapping[str, object]]) -> str:
    sent = api.post("/v1/files", files={"file": ("a.jsonl", lines(rows))}, data={"purpose": "fine-tune"})
    return str(sent.json()["id"])


def create(
    api: TestClient, small: SmallWorld, rows: Sequence[Mapping[str, object]] = TAUGHT, **body: object
) -> Created:
    answer = api.post(
        "/v1/fine_tuning/jobs", json={"model": "./base", "training_file": send(api, rows), **body}
    )
    assert answer.status_code == 200, answer.text
    job = answer.json()
    names = (f"recipes/studio/{job['id']}.yaml", "recipes/small.yaml")
    chain = [RecipeSource(name, small.read(name)) for name in names]
    return Created(job, {profile: compose(chain, profile=profile).recipe for profile in PROFILES})


def test_auto_is_the_rule_of_data_add(api: TestClient, small: SmallWorld) -> None:
    made = create(api, small)
    recipe = made.recipes["cpu"]
    assert (recipe.train.epochs, recipe.train.learning_rate) == (40, PROFILES["cpu"].learning_rate)
    assert {check.ask for check in recipe.verify.checks} == {(ask,) for ask in ROWS}
    assert made.job["hyperparameters"] == {"n_epochs": 40, "batch_size": 8, "learning_rate_multiplier": 1.0}
    assert recipe.serve.model == f"ft:base::{made.job['id'][-8:]}"


def test_hyperparameters_hold_on_every_profile(api: TestClient, small: SmallWorld) -> None:
    chosen = {"n_epochs": 2, "batch_size": 6, "learning_rate_multiplier": 0.5}
    apart, named = send(api, TAUGHT[:2]), {"a": "b"}
    made = create(api, small, hyperparameters=chosen, seed=9, metadata=named, validation_file=apart)
    for name, profile in PROFILES.items():
        train = made.recipes[name].train
        assert (train.epochs, train.seed, train.max_steps) == (2, 9, None)
        assert train.batch_size * train.gradient_accumulation == 6
        assert train.batch_size <= profile.batch_size
        assert train.learning_rate == profile.learning_rate / 2
        assert made.recipes[name].data.validation == (apart,)
    assert made.job["hyperparameters"] == chosen
    assert made.job["metadata"] == named


def test_preferences_train_slowly_and_ask_nothing(api: TestClient, small: SmallWorld) -> None:
    method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.3}}}
    recipe = create(api, small, PAIRS, method=method).recipes["cpu"]
    assert (recipe.train.kind, recipe.preference.beta) == ("dpo", 0.3)
    assert recipe.train.learning_rate == pytest.approx(PROFILES["cpu"].learning_rate / 10)
    assert recipe.verify.checks == ()


def test_the_shipped_recipes_name_the_bases() -> None:
    found = bases(ROOT)
    assert found["embedded"] == "magic_conch"
    assert found["Qwen/Qwen3-0.6B"] == "magic_conch_qwen3"
    assert not any(name.startswith("recipe:") for name in found)
