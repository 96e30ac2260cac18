"""Training kinds: supervised fine-tuning, and that a further kind is one file and one line."""
# Covers plan/kinds/base.py

from __future__ import annotations

from types import SimpleNamespace

import pytest
import yaml

from orchestrator.errors import UsageError
from orchestrator.plan.kinds import KINDS, sft
from orchestrator.plan.plan import build_plan
from orchestrator.plan.stage import Plan
from tests.plan.test_plan import job_of


def settings_of(plan: Plan, stage: str, path: str) -> dict[str, object]:
    text = next(file.text for file in plan.stage(stage).files if file.path == path)
    found: dict[str, object] = yaml.safe_load(text)
    return found


def test_a_recipe_that_names_no_kind_is_fine_tuned() -> None:
    job = job_of("smoke", "cpu")
    assert job.kind is sft
    assert settings_of(build_plan(job), "train", "train.yaml")["stage"] == "sft"


def test_a_further_kind_decides_settings_and_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only its line in the table is added: both YAML files, the stages and the data's purpose follow."""
    kind = SimpleNamespace(
        purpose="sft",
        scores=False,
        resumes=True,
        omitted_stages=frozenset({"prove_data", "score"}),
        proofs=(),
        unproven={},
        preference=frozenset(),
        problems=lambda _: (),
        train_settings=lambda recipe: {"stage": "dpo", "pref_beta": recipe.train.learning_rate},
        export_settings=lambda _: {"export_legacy_format": False},
    )
    monkeypatch.setitem(KINDS, "relay", kind)
    plain, job = job_of("smoke", "cpu"), job_of("smoke", "cpu", "train.kind=relay")
    plan = build_plan(job)
    train = settings_of(plan, "train", "train.yaml")
    assert (train["stage"], train["pref_beta"]) == ("dpo", job.recipe.train.learning_rate)
    assert settings_of(plan, "export", "export.yaml")["export_legacy_format"] is False
    assert settings_of(plan, "prepare", "tasks/prepare.json").get("purpose", "sft") == "sft"
    names = [stage.name for stage in build_plan(plain).stages]
    assert [stage.name for stage in plan.stages] == [n for n in names if n not in kind.omitted_stages]


def test_an_unknown_kind_is_reported_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        job_of("smoke", "cpu", "train.kind=sfd")
    problem = caught.value.problems[0]
    assert problem.what == 'train.kind: no training kind named "sfd"; did you mean "sft"?'
    assert problem.where == "--set train.kind=sfd"
