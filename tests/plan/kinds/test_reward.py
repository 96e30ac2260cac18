"""reward: what its trainer and its export are told, and what a model that gives no answers is not asked."""

from __future__ import annotations

import pytest

from orchestrator.errors import UsageError
from orchestrator.plan.plan import build_plan
from tests.plan.kinds.test_sft import settings_of
from tests.plan.test_plan import job_of


def test_training_and_export_both_name_the_stage() -> None:
    plan = build_plan(job_of("conch_reward", "cpu"))
    train = settings_of(plan, "train", "train.yaml")
    assert (train["stage"], train["dataset"]) == ("rm", "conch_preferences")
    # Without it the value head is left out of the export, without a word.
    assert settings_of(plan, "export", "export.yaml")["stage"] == "rm"
    assert settings_of(plan, "export", "tasks/check_export.json")["scores"] is True


def test_a_training_that_cannot_resume_keeps_no_checkpoints() -> None:
    plan = build_plan(job_of("conch_reward", "cpu"))
    assert plan.stage("train").resumes == ""
    assert settings_of(plan, "train", "train.yaml")["save_strategy"] == "no"


def test_nothing_is_asked() -> None:
    names = [stage.name for stage in build_plan(job_of("conch_reward", "cpu")).stages]
    assert names[-4:] == ["score", "prove_served", "certify", "report"]
    assert not {"ask", "judge", "evaluate", "general"} & set(names)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("verify.checks=[{ask: a, expect: {contains: b}}]", "verify.checks: a reward model scores answers"),
        ("evaluate={split: validation}", "evaluate.split: a reward model scores answers"),
        ("train.early_stopping=2", "train.early_stopping: LLaMA-Factory 0.9.5 keeps no checkpoint"),
        ("train.plateau=0.2", "train.plateau: LLaMA-Factory 0.9.5 keeps no checkpoint"),
        ("preference.beta=0.5", "preference.beta: train.kind reward does not use it"),
        ("data={dataset: smoke}", "smoke: its rows are conversations, but pairs"),
    ],
)
def test_what_it_cannot_do_is_refused_at_plan(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        job_of("conch_reward", "cpu", setting)


@pytest.mark.parametrize(("method", "refuses"), [("lora", False), ("full", True), ("freeze", True)])
def test_a_base_with_tied_embeddings_is_refused_where_it_cannot_be_saved(
    method: str, *, refuses: bool
) -> None:
    plan = build_plan(job_of("conch_reward", "cpu", f"train.method={method}"))
    assert settings_of(plan, "fetch", "tasks/fetch.json").get("untied", False) is refuses
