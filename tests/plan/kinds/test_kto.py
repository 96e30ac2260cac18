"""kto: its weights in train.yaml, and the settings of other losses."""

from __future__ import annotations

import pytest

from orchestrator.datasets.base import KTO
from orchestrator.errors import UsageError
from orchestrator.plan.kinds import KINDS
from orchestrator.plan.plan import build_plan
from orchestrator.recipe import Recipe
from tests.plan.kinds.test_sft import settings_of
from tests.plan.test_plan import job_of


@pytest.fixture
def liked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped conversations pass for liked and disliked answers, of which no dataset is shipped."""
    monkeypatch.setattr("orchestrator.datasets.formats.alpaca.purpose", KTO)


@pytest.mark.usefixtures("liked")
def test_the_weights_reach_the_trainer() -> None:
    job = job_of("smoke", "cpu", "train.kind=kto", "preference={beta: 0.2, disliked_weight: 1.5}")
    settings = settings_of(build_plan(job), "train", "train.yaml")
    found = {key: settings[key] for key in ("stage", "pref_beta", "kto_chosen_weight", "kto_rejected_weight")}
    assert found == {
        "stage": "kto",
        "pref_beta": 0.2,
        "kto_chosen_weight": 1.0,
        "kto_rejected_weight": 1.5,
    }
    assert "pref_loss" not in settings


@pytest.mark.usefixtures("liked")
def test_settings_of_pairs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"bco_weight: train\.kind kto does not use it") as caught:
        job_of("smoke", "cpu", "train.kind=kto", "preference={bco_weight: 1}")
    assert "train.kind: dpo" in caught.value.problems[0].hint


def test_every_kind_names_settings_that_exist() -> None:
    known = set(Recipe.model_fields["preference"].annotation.model_fields)  # type: ignore[union-attr]
    for kind in KINDS.values():
        assert kind.preference <= known
