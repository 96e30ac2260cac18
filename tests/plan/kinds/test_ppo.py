"""ppo: what its trainer is told, what comes first, where it runs, and what it refuses."""
# Covers recipe/ppo.py plan/stages/rewards.py

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.environments import preflight, registry
from orchestrator.execute.processes.confinement import Confinement
from orchestrator.execute.project import discovery
from orchestrator.plan.kinds import ppo
from orchestrator.plan.plan import build_plan
from orchestrator.plan.stage import Runtime
from orchestrator.recipe.ppo import Ppo
from tests.plan.kinds.test_sft import settings_of
from tests.plan.test_plan import PROJECT, job_of

ROWS = ("training_ids.py", "model_values.py", "start_ppo.py", "trainer_loss.py")


def test_the_trainer_gets_the_reward_model_whole_and_no_checkpoint() -> None:
    plan = build_plan(job_of("conch_ppo", "cpu"))
    train = settings_of(plan, "train", "train.yaml")
    assert (train["stage"], train["reward_model"]) == ("ppo", "inputs/ppo/reward")
    assert (train["reward_model_type"], train["model_name_or_path"]) == ("full", "inputs/ppo/base")
    # It saves every save_steps, whatever save_strategy says, and resumes from nothing.
    assert (train["save_strategy"], train["save_steps"]) == ("no", 1_000_000_000)
    assert "enable_jit_checkpoint" not in train
    assert plan.stage("train").resumes == ""


def test_defaults_are_llamafactory_s() -> None:
    recipe = job_of("conch_ppo", "cpu").recipe
    train = ppo.train_settings(recipe.model_copy(update={"ppo": Ppo()}))
    known = {"ppo_epochs": 4, "ppo_buffer_size": 1, "ppo_target": 6.0, "max_new_tokens": 1024}
    assert {key: train[key] for key in known} == known
    assert (train["temperature"], train["top_p"], train["top_k"]) == (0.95, 0.7, 50)


def test_only_what_trains_encodes_or_scores_as_the_trainer_runs_below_the_floor() -> None:
    plan = build_plan(job_of("conch_ppo", "cpu"))
    commands = [command for stage in plan.stages for command in stage.commands]
    older = [command for command in commands if command.runtime is Runtime.PPO]
    assert sorted(command.argv[1].rpartition("/")[2] for command in older) == sorted(ROWS)
    assert all(command.env["DISABLE_VERSION_CHECK"] == "1" for command in older)
    # Merging, serving and the verdict's scores are the other environments' work, with the model as it is.
    assert settings_of(plan, "export", "export.yaml")["model_name_or_path"] == "inputs/base"
    assert plan.stage("rewards").commands[0].runtime is Runtime.TRAIN


def test_both_recipes_below_come_first_each_once() -> None:
    job = job_of("conch_ppo", "cpu")
    assert job.first == ("conch_pretrain", "conch_sft", "conch_reward")
    assert [below.key for below in job.dependencies] == ["model.base", "ppo.reward"]
    depends = build_plan(job).stage("fetch").depends
    assert depends == {"base": "export of conch_sft", "reward": "export of conch_reward"}


def test_the_shipped_recipe_is_read_with_what_it_is_built_on() -> None:
    job = discovery.read_job("conch_ppo", project=PROJECT, hardware="cpu")
    assert set(job.lockfiles) == {"train", "serve", "ppo"}
    assert all(below.state.startswith("sha256:") for below in job.dependencies)


def test_fault_its_environment_does_not_start_where_it_would_have_the_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(preflight, "confinement", lambda: Confinement(reason="no namespaces"))
    monkeypatch.setattr(registry, "require", lambda name, _: tmp_path / name)
    job = job_of("conch_ppo", "cpu")
    with pytest.raises(MissingError, match=r"ppo runs only without network, .* no namespaces"):
        preflight.preflight(build_plan(job), job, project=tmp_path)
    smoke = job_of("smoke", "cpu")
    assert set(preflight.preflight(build_plan(smoke), smoke, project=tmp_path)) == {"train", "serve"}


def test_the_environments_are_compared_before_anything_is_trained() -> None:
    stage = build_plan(job_of("conch_ppo", "cpu")).stage("prove_data")
    tasks = [command.argv[-2] for command in stage.commands if command.runtime is Runtime.CONCH]
    assert tasks[0] == "prove_environment"
    assert stage.gate


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.environment=auto", "needs the environment ppo, which has transformers 4.55.4, below 5.3.0"),
        ("ppo.reward=null", "ppo.reward: no reward model is named"),
        ("ppo.reward=recipe:conch_sft", "recipe conch_sft is of kind sft, whose model scores nothing"),
        ("template.thinking=off", "conch_reward scores conversations in template deepseekr1, thinking on"),
        ("train.method=full", "saves no PPO training but lora's"),
        ("evaluate.split=none", "evaluate.split: the result of ppo is the mean reward of held-out prompts"),
        ("evaluate.base=false", "evaluate.base: the result of ppo"),
        ("data.split={train: 2, test: 1, validation: 1}", "data.validation: LLaMA-Factory's PPO measures no"),
        ("train.early_stopping=2", "train.early_stopping: LLaMA-Factory's PPO"),
        ("train.plateau=0.2", "train.plateau: LLaMA-Factory's PPO"),
        ("train.save_steps=5", "train.save_steps: LLaMA-Factory's PPO"),
        ("preference.beta=0.5", "preference.beta: train.kind ppo does not use it"),
        ("data.dataset=conch_preferences", "its rows are pairs"),
        ("llamafactory.reward_model_type=api", "reward_model_type"),
        ("llamafactory.ppo_target=1", "ppo.target_kl"),
    ],
)
def test_fault_what_it_cannot_do_is_refused_at_plan(setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        job_of("conch_ppo", "cpu", setting)


@pytest.mark.parametrize(
    ("recipe", "setting", "message"),
    [
        ("smoke", "ppo.target_kl=3", "ppo.target_kl: train.kind sft does not use it"),
        ("smoke", "train.environment=ppo", "kind sft is trained in the environment train, not in ppo"),
    ],
)
def test_no_other_kind_takes_its_settings_or_its_environment(recipe: str, setting: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        job_of(recipe, "cpu", setting)
