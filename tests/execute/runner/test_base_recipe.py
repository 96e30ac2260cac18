"""A recipe that is built on another one: what runs first, what is made again, which chains are refused."""
# Covers execute/runner/run_plan.py hubs/recipe.py

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.errors import MissingError, UsageError
from orchestrator.execute.project import discovery
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.base_recipe import exported
from tests.small_world import SmallWorld

BUILT = ("model: {base: ./base}", "model: {base: 'recipe:small'}")


@pytest.fixture
def chain(small: SmallWorld) -> SmallWorld:
    """`small`, and `second`, which is built on it."""
    small.write_recipe(BUILT, name="second")
    return small


def runs_of(world: SmallWorld, recipe: str) -> list[Run]:
    return Run.all(world.project, recipe)


def test_the_recipe_below_comes_first_and_its_export_is_the_base(chain: SmallWorld) -> None:
    said = chain.run("sft", "second")
    assert said.code == 0, said.err
    assert "second is built on recipe small, which comes first" in said.err
    (below,), (run,) = runs_of(chain, "small"), runs_of(chain, "second")
    assert (run.path / "inputs/base").resolve() == below.path / "export"
    manifest = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["base"]["name"] == "recipe:small"
    assert manifest["base"]["revision"] == below.name
    assert "config.json" in manifest["base"]["files"]
    assert below.name in chain.run("runs", "show", "second").out

    again = chain.run("sft", "second")
    assert again.code == 0
    assert [len(runs_of(chain, name)) for name in ("small", "second")] == [1, 1]
    assert "training · step" not in again.err


def test_a_change_below_trains_both_again_and_a_check_below_neither(chain: SmallWorld) -> None:
    assert chain.run("sft", "second").code == 0
    trained = [runs_of(chain, "second")[-1].stage_record("train")]
    small = chain.project / "recipes/small.yaml"
    text = small.read_text(encoding="utf-8")

    small.write_text(text.replace("三块钱", "三块"), encoding="utf-8")
    assert chain.run("sft", "second").code == 0
    trained.append(runs_of(chain, "second")[-1].stage_record("train"))
    assert trained[1] == trained[0]
    assert len(runs_of(chain, "second")) == 1

    small.write_text(text + "train: {learning_rate: 0.01}\n", encoding="utf-8")
    assert chain.run("sft", "second").code == 0
    assert len(runs_of(chain, "second")) == 2
    changed = runs_of(chain, "second")[-1]
    assert (changed.path / "inputs/base").resolve().parent == runs_of(chain, "small")[-1].path


def test_another_check_of_the_upper_recipe_trains_neither_again(chain: SmallWorld) -> None:
    assert chain.run("sft", "second").code == 0
    chain.write_recipe(BUILT, ("三块钱", "三块"), name="second")
    said = chain.run("sft", "second")
    assert said.code == 0
    reused = {run.stage: run.reason for run in runs_of(chain, "second")[-1].runs()}
    assert "reused from run" in reused["train"]


def test_plan_names_the_chain_and_runs_nothing(chain: SmallWorld) -> None:
    chain.write_recipe(("model: {base: ./base}", "model: {base: 'recipe:second'}"), name="third")
    said = chain.run("plan", "third")
    assert said.code == 0
    first, second = [line for line in said.out.splitlines() if line.startswith("first ")]
    assert "recipe small" in first
    assert "recipe second" in second
    assert chain.run("plan", "third", "--json").envelope["data"]["built_on"] == ["second", "small"]
    assert not (chain.project / "runs").exists()


def test_a_proof_that_fails_below_ends_the_chain_there(
    chain: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "exit-0-no-output")
    said = chain.run("sft", "second")
    assert said.code == 4
    (run,) = runs_of(chain, "second")
    assert run.stage_record("fetch") is None
    assert json.loads((run.path / "state.json").read_text(encoding="utf-8"))["exit_code"] == 4


@pytest.mark.parametrize(
    ("base", "message", "hint"),
    [
        ("recipe:second", "in a circle: second → second", "not built on this recipe"),
        ("recipe:smal", 'no recipe named "smal"; did you mean "small"?', "recipes: second, small"),
    ],
)
def test_fault_182_a_chain_that_cannot_be(chain: SmallWorld, base: str, message: str, hint: str) -> None:
    """A chain that refers to itself, or to a recipe that does not exist, is refused with its line."""
    chain.write_recipe(("model: {base: ./base}", f"model: {{base: '{base}'}}"), name="second")
    for verb in ("plan", "sft"):
        said = chain.run(verb, "second")
        assert said.code == 2
        assert message in said.err
        assert hint in said.err
        assert "recipes/second.yaml:1:15" in said.err


def test_a_longer_circle_is_named_whole(chain: SmallWorld) -> None:
    chain.write_recipe(("model: {base: ./base}", "model: {base: 'recipe:second'}"))
    with pytest.raises(UsageError, match="second → small → second"):
        discovery.read_job("second", project=chain.project)


def test_what_only_reads_the_base_does_not_train_it(chain: SmallWorld) -> None:
    job = discovery.read_job("second", project=chain.project)
    with pytest.raises(MissingError, match="has no export of its present settings") as missing:
        exported(job.dependencies[0], job, chain.project)
    assert missing.value.problems[0].hint == "conch sft small"
    assert chain.run("parity", "second").code == 3
    assert runs_of(chain, "small") == []


def test_an_overlay_does_not_take_the_base_away(chain: SmallWorld) -> None:
    """A recipe that extends one with a smaller base for CPUs is still built on the recipe that it names."""
    small = chain.project / "recipes/small.yaml"
    text = small.read_text(encoding="utf-8")
    small.write_text(text + "hardware: {cpu: {model: {base: embedded}}}\n", encoding="utf-8")
    upper = chain.project / "recipes/second.yaml"
    upper.write_text("extends: small\nmodel: {base: 'recipe:small'}\n", encoding="utf-8")
    job = discovery.read_job("second", project=chain.project, hardware="cpu")
    assert [one.recipe.model.base for one in job.chain] == ["recipe:small", "embedded"]
    assert job.stand_in


def test_settings_from_outside_change_the_named_recipe_alone(
    chain: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_SET_TRAIN__SEED", "7")
    job = discovery.read_job("second", project=chain.project, sets=["train.epochs=9"])
    epochs = [one.recipe.train.epochs for one in job.chain]
    assert epochs[0] == 9
    assert epochs[1] != 9
    assert [one.recipe.train.seed for one in job.chain] == [7, 42]


def test_a_deleted_run_below_is_made_again(chain: SmallWorld) -> None:
    assert chain.run("sft", "second").code == 0
    (below,) = runs_of(chain, "small")
    removed = chain.run("rm", "--yes", below.name)
    assert removed.code == 0
    assert f"{runs_of(chain, 'second')[-1].name} is built on {below.name}" in removed.err
    said = chain.run("sft", "second")
    assert said.code == 0, said.err
    (run,) = runs_of(chain, "second")
    assert (run.path / "base_export").resolve() == Path(runs_of(chain, "small")[-1].path / "export")


def test_a_base_recipe_that_failed_is_named_with_the_recipe_that_waits_for_it(
    chain: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "oom")
    said = chain.run("sft", "second")
    assert said.code == 4
    assert "give it more memory" in said.err
    assert "recipe small, on which second is built, failed: nothing was trained on it" in said.err
    assert "recipes/second.yaml:1:15" in said.err
    assert "run the same command again: it goes on with small first" in said.err


def test_a_chain_that_was_killed_goes_on_where_it_was(
    chain: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base goes on from its checkpoint, and then what is built on it is trained."""
    monkeypatch.setenv("CONCH_FAULT", "kill-in-training")
    assert chain.run("sft", "second").code == 4
    monkeypatch.setenv("CONCH_FAULT", "")
    said = chain.run("sft", "second")
    assert said.code == 0, said.err
    assert (resumptions(chain, "small"), resumptions(chain, "second")) == ([2], [])
    assert [len(runs_of(chain, name)) for name in ("small", "second")] == [1, 1]
    (below,), (run,) = runs_of(chain, "small"), runs_of(chain, "second")
    assert (run.path / "inputs/base").resolve() == below.path / "export"


def resumptions(world: SmallWorld, recipe: str) -> list[int]:
    """The steps from which the trainings of a recipe went on."""
    return [
        event["step"]
        for run in runs_of(world, recipe)
        for event in run.events()
        if event["event"] == "resumed"
    ]


def test_a_reward_model_is_no_base(chain: SmallWorld) -> None:
    small = chain.project / "recipes/small.yaml"
    pairs = '{"prompt": "?", "chosen": "a", "rejected": "b"}\n' * 4
    (chain.project / "dataset_info/pairs.jsonl").write_text(pairs, encoding="utf-8")
    entry = "format: dpo\nfile: pairs.jsonl\nlicence: Apache-2.0\nsource: written here\n"
    (chain.project / "dataset_info/pairs.yaml").write_text(entry, encoding="utf-8")
    small.write_text(
        "model: {base: ./base}\ndata: {dataset: pairs}\ntrain: {kind: reward}\n"
        'template: {name: deepseekr1, thinking: "on", history: keep}\n',
        encoding="utf-8",
    )
    said = chain.run("plan", "second")
    assert said.code == 2
    assert "recipe small exports a reward model, which gives no answers" in said.err
    assert "model.base: ./base" in said.err
    assert "recipes/second.yaml:1:15" in said.err
