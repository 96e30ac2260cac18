"""kto: its weights in train.yaml, and the settings of other losses."""

from __future__ import annotations

import pytest

from orchestrator.errors import UsageError
from orchestrator.plan.kinds import KINDS
from orchestrator.plan.plan import build_plan
from orchestrator.recipe import Recipe
from tests.plan.kinds.test_sft import settings_of
from tests.plan.test_plan import job_of


def test_the_weights_reach_the_trainer() -> None:
    job = job_of("conch_kto", "cpu", "preference={beta: 0.2, disliked_weight: 1.5}")
    settings = settings_of(build_plan(job), "train", "train.yaml")
    found = {key: settings[key] for key in ("stage", "pref_beta", "kto_chosen_weight", "kto_rejected_weight")}
    assert found == {
        "stage": "kto",
        "pref_beta": 0.2,
        "kto_chosen_weight": 1.0,
        "kto_rejected_weight": 1.5,
    }
    assert "pref_loss" not in settings


def test_a_run_measures_liked_against_disliked_answers_on_the_server() -> None:
    plan = build_plan(job_of("conch_kto", "cpu"))
    assert plan.stage("prove_served").commands[-1].argv[3] == "prove_preference"
    assert '"preference"' in next(file.text for file in plan.stage("certify").files)


def test_settings_of_pairs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"bco_weight: train\.kind kto does not use it") as caught:
        job_of("conch_kto", "cpu", "preference={bco_weight: 1}")
    assert "train.kind: dpo" in caught.value.problems[0].hint


def test_every_kind_names_settings_that_exist() -> None:
    known = set(Recipe.model_fields["preference"].annotation.model_fields)  # type: ignore[union-attr]
    for kind in KINDS.values():
        assert kind.preference <= known
