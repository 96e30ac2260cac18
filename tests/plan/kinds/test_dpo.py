"""dpo: the loss in train.yaml, what every run of it proves, and losses that would train another one."""

from __future__ import annotations

import pytest

from orchestrator.errors import UsageError
from orchestrator.plan.kinds.dpo import MISTRAINED
from orchestrator.plan.plan import build_plan
from tests.plan.kinds.test_sft import settings_of
from tests.plan.test_plan import job_of


def test_the_loss_and_its_settings_reach_the_trainer() -> None:
    settings = settings_of(build_plan(job_of("conch_dpo", "cpu")), "train", "train.yaml")
    assert {key: settings[key] for key in ("stage", "pref_loss", "pref_beta")} == {
        "stage": "dpo",
        "pref_loss": "sigmoid",
        "pref_beta": 0.1,
    }
    # LLaMA-Factory refuses it outside sft.
    assert "mask_history" not in settings
    more = ("preference={loss: simpo, beta: 2.0, gamma: 1.0, sft_weight: 0.5}",)
    settings = settings_of(build_plan(job_of("conch_dpo", "cpu", *more)), "train", "train.yaml")
    assert (settings["pref_loss"], settings["simpo_gamma"], settings["pref_ftx"]) == ("simpo", 1.0, 0.5)


def test_a_run_measures_the_preference_on_the_server() -> None:
    plan = build_plan(job_of("conch_dpo", "cpu"))
    assert [one.argv[3] for one in plan.stage("prove_served").commands][-1] == "prove_preference"
    certify = next(file.text for file in plan.stage("certify").files)
    assert '"preference"' in certify
    sft = build_plan(job_of("conch_sft", "cpu"))
    assert "prove_preference" not in str(sft.to_json())


def test_stripped_history_is_compared_as_it_is_trained() -> None:
    for history, dropped in (("keep", False), ("strip", True)):
        plan = build_plan(job_of("conch_dpo", "cpu", f"template.history={history}"))
        assert ("--mask-history" in plan.stage("prove_data").commands[0].argv) is dropped


@pytest.mark.parametrize("loss", MISTRAINED)
def test_fault_183_a_loss_that_is_trained_as_another_is_refused(loss: str) -> None:
    """LLaMA-Factory 0.9.5 with trl 0.24 trains hinge, ipo and kto_pair as sigmoid, without a word."""
    with pytest.raises(UsageError, match=f"trains {loss} .*as sigmoid") as caught:
        job_of("conch_dpo", "cpu", f"preference.loss={loss}")
    assert caught.value.problems[0].hint == "choose sigmoid, orpo or simpo"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("preference={loss: orpo, label_smoothing: 0.1}", "the loss orpo does not use it"),
        ("preference.gamma=0.5", "the loss sigmoid does not use it"),
        ("preference.liked_weight=2", "train.kind dpo does not use it"),
        ("preference.loss=cpo", "must be sigmoid, orpo, simpo"),
    ],
)
def test_fault_184_a_setting_that_would_do_nothing_is_refused(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        job_of("conch_dpo", "cpu", setting)


def test_fault_185_data_of_another_kind_is_refused_at_plan() -> None:
    with pytest.raises(UsageError, match="smoke: its rows are conversations, but pairs") as caught:
        job_of("conch_dpo", "cpu", "data.dataset=smoke")
    assert "set train.kind: sft" in caught.value.problems[0].hint
    with pytest.raises(UsageError, match="its rows are documents, but conversations are needed"):
        job_of("smoke", "cpu", "data.dataset=conch_stories")
