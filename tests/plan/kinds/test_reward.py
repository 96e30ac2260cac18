"""reward: what its trainer and its export are told, and what a model that gives no answers is not asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.backends import vllm
from orchestrator.errors import UsageError
from orchestrator.execute.proving.prove import stages_of
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
        ("vllm.runner=generate", "vllm.runner: of a reward model Conch sets it"),
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


def test_an_engine_that_serves_no_reward_models_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "limitations", replace(vllm.limitations, scores="it serves no reward models"))
    job_of("conch_dpo", "cpu")
    with pytest.raises(UsageError, match=r"serve\.engine: it serves no reward models"):
        job_of("conch_reward", "cpu")


def test_without_held_out_pairs_the_certificate_says_why_there_is_no_accuracy() -> None:
    plan = build_plan(job_of("conch_reward", "cpu", "data.validation_share=0"))
    said = settings_of(plan, "certify", "tasks/certify.json")["unproven"]
    assert isinstance(said, dict)
    assert said["reward:accuracy"] == "there are no held-out pairs: set data.validation_share"
    commands = [one.argv[3] for one in plan.stage("prove_served").commands]
    assert commands == ["reward_served", "prove_reward"]


def test_scores_of_an_earlier_server_prove_nothing_offline() -> None:
    plan = build_plan(job_of("conch_reward", "cpu"))
    again = stages_of(plan, offline=True, accept_mismatch=False, server=None)
    left_out = settings_of(again, "again-certify", "tasks/certify.json")["left_out"]
    assert isinstance(left_out, list)
    assert {"reward", "reward:accuracy"} < set(left_out)
