"""Who wins, where values come from, and that every mistake is said at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.errors import UsageError
from orchestrator.recipe import RecipeSource, Resolved, compose, extends_of
from orchestrator.recipe.compose import steps

Build = Callable[..., Resolved]
Refused = Callable[..., list[str]]

ROOT = RecipeSource(
    "recipes/root.yaml",
    """model: {base: org/root, revision: abc, hub: modelscope}
data: {dataset: [a, b], cutoff_len: 512}
template: {name: deepseekr1}
train:
  epochs: 1
  seed: 1
  lora_rank: 8
  batch_size: 1
verify:
  checks:
    - {ask: one, expect: {contains: "1"}}
    - {ask: two, expect: {contains: "2"}}
vllm: {block_size: 16, dtype: auto}
hardware:
  cpu: {train: {batch_size: 2, lora_rank: 4}, model: {base: embedded}}
""",
)
CHILD = RecipeSource(
    "recipes/child.yaml",
    """extends: root
data: {dataset: c}
train:
  seed: 2
  batch_size: 3
verify: {checks: [{ask: three}]}
vllm: {dtype: float32}
hardware: {cpu: {train: {batch_size: 4}}}
""",
)


def test_later_wins() -> None:
    resolved = compose(
        [CHILD, ROOT],
        sets=["train.batch_size=6", "vllm={max_num_seqs: 2}"],
        environ={"CONCH_SET_TRAIN__BATCH_SIZE": "5", "CONCH_SET_TRAIN__EPOCHS": "9", "TRAIN__SEED": "7"},
        profile="cpu",
    )
    train = resolved.recipe.train
    # defaults < extends < file < hardware < environment < --set
    assert (train.max_grad_norm, train.epochs, train.seed, train.lora_rank, train.batch_size) == (
        1,
        9,
        2,
        4,
        6,
    )
    assert resolved.recipe.vllm == {"block_size": 16, "dtype": "float32", "max_num_seqs": 2}
    assert resolved.recipe.data.dataset == ("c",)
    assert [case.ask for case in resolved.recipe.verify.checks] == [("three",)]
    assert resolved.files == ("recipes/child.yaml", "recipes/root.yaml")


def test_every_value_knows_its_origin() -> None:
    resolved = compose([CHILD, ROOT], sets=["train.epochs=4"], environ={"CONCH_SET_SERVE__PORT": "81"})
    wanted = {
        "train.max_grad_norm": "default",
        "train.lora_rank": "recipes/root.yaml:15:43",
        "train.batch_size": "recipes/child.yaml:8:38",
        "train.seed": "recipes/child.yaml:4:9",
        "train.epochs": "--set train.epochs=4",
        "serve.port": "CONCH_SET_SERVE__PORT",
        "data.dataset": "recipes/child.yaml:2:17",
        "vllm.block_size": "recipes/root.yaml:13:20",
    }
    assert {key: resolved.origins[key] for key in wanted} == wanted


def test_where_goes_to_the_nearest_place_that_was_written(build: Build) -> None:
    resolved = build("verify:\n  checks:\n    - ask: hi\n      expect: {contain: x}\n")
    assert resolved.where("verify.checks[0].expect.contain") == "recipes/x.yaml:7:25"
    assert resolved.where("verify.checks[0].expect.contain", key=True) == "recipes/x.yaml:7:16"
    assert resolved.where("verify.checks[0].system") == "recipes/x.yaml:6:7"
    assert resolved.where("verify.checks[7]") == "recipes/x.yaml:6:5"
    assert resolved.where("train.epochs") == "recipes/x.yaml:1:1"
    assert build(sets=["train.seed=1"]).where("train.epochs") == "recipes/x.yaml"


def test_a_profile_is_asked_for_or_written_or_seen(build: Build) -> None:
    overlays = "hardware: {cpu: {train: {seed: 1}}, cuda: {train: {seed: 2}}, profile: %s}"
    for written, asked, machine, used in (
        ("auto", "auto", "cpu", "cpu"),
        ("auto", "auto", "cuda", "cuda"),
        ("cpu", "auto", "cuda", "cpu"),
        ("cpu", "cuda", "cpu", "cuda"),
    ):
        resolved = build(overlays % written, profile=asked, machine=machine)
        assert resolved.profile == used
        assert resolved.recipe.train.seed == {"cpu": 1, "cuda": 2}[used]
    assert build(overlays % "auto", sets=["hardware.profile=cuda"]).profile == "cuda"


def test_an_overlay_can_be_set_from_outside(build: Build) -> None:
    assert build(sets=["hardware.cpu.train.seed=3"]).recipe.train.seed == 3
    assert build(sets=["hardware.cpu.train.seed=3", "train.seed=4"]).recipe.train.seed == 4


def test_another_base_drops_the_revision_of_the_old_one() -> None:
    assert compose([ROOT], profile="cuda").recipe.model.revision == "abc"
    assert compose([ROOT], profile="cpu").recipe.model.model_dump() == {
        "base": "embedded",
        "revision": None,
        "hub": "huggingface",
        "tokenizer": "published",
    }
    model = compose([ROOT], profile="cuda", sets=["model.revision=def", "model.base=org/new"]).recipe.model
    assert (model.base, model.revision) == ("org/new", "def")
    same = compose([ROOT], profile="cuda", sets=["model.base=org/root"]).recipe.model
    assert same.revision == "abc"


def test_null_takes_a_value_back_and_an_empty_section_changes_nothing() -> None:
    child = RecipeSource("recipes/child.yaml", "extends: root\nmodel: {revision: null}\ntrain:\nvllm:\n")
    recipe = compose([child, ROOT], profile="cuda").recipe
    assert recipe.model.revision is None
    assert recipe.train.seed == 1
    assert recipe.vllm == {"block_size": 16, "dtype": "auto"}


def test_an_empty_variable_is_not_a_setting_and_their_order_is_that_of_their_names(build: Build) -> None:
    assert (
        build("train: {max_steps: 3}", environ={"CONCH_SET_TRAIN__MAX_STEPS": ""}).recipe.train.max_steps == 3
    )
    assert build("train: {max_steps: 3}", sets=["train.max_steps="]).recipe.train.max_steps is None
    for names in (("SEED", "seed"), ("seed", "SEED")):
        environ = {f"CONCH_SET_TRAIN__{name}": str(len(name.lower()) + name.islower()) for name in names}
        assert build(environ=environ).recipe.train.seed == 5


def test_lists_from_outside_replace(build: Build) -> None:
    assert build(sets=["data.dataset=[p, q]"]).recipe.data.dataset == ("p", "q")
    assert build(sets=["verify.checks=[{ask: hi}]"]).recipe.verify.checks[0].ask == ("hi",)


def test_the_name_is_the_files(build: Build, refused: Refused) -> None:
    assert build().recipe.name == "x"
    assert build().recipe.served_model == "x"
    assert build("serve: {model: conch}").recipe.served_model == "conch"
    assert refused("name: y\nmodel: {base: embedded}\ndata: {dataset: a}\ntemplate: {name: b}")[0].startswith(
        "recipes/x.yaml:1:1  name: the file name is the name of a recipe"
    )


def test_what_is_not_given_at_all(refused: Refused) -> None:
    assert refused("train: {epochs: 1}\nmodel:\n") == [
        "recipes/x.yaml:1:1  data.dataset: missing\n    → add `data: {dataset: …}`",
        "recipes/x.yaml:1:1  template.name: missing\n    → add `template: {name: …}`",
        "recipes/x.yaml:2:1  model.base: missing\n    → add `model: {base: …}`",
    ]


def test_what_only_one_profile_gives_is_enough() -> None:
    text = "data: {dataset: a}\ntemplate: {name: b}\nhardware: {cpu: {model: {base: embedded}}}"
    assert compose([RecipeSource("recipes/x.yaml", text)], profile="cpu").recipe.model.base == "embedded"
    with pytest.raises(UsageError, match=r"model\.base: missing"):
        compose([RecipeSource("recipes/x.yaml", text)], profile="cuda")


@pytest.mark.parametrize("where", ["--set vllm.x=${HOME}", "CONCH_SET_VLLM__X"])
def test_no_interpolation_from_outside(build: Build, where: str) -> None:
    outside = {"sets": ["vllm.x=${HOME}"]} if where.startswith("--") else {"environ": {where: "${HOME}"}}
    with pytest.raises(UsageError) as caught:
        build(**outside)
    assert str(caught.value).startswith(f"{where}  recipes do not support ${{…}} interpolation")


def test_extends_of() -> None:
    assert extends_of(CHILD) == ("root", "recipes/child.yaml:1:10")
    assert extends_of(ROOT) is None
    assert extends_of(RecipeSource("recipes/x.yaml", "extends: [a]")) is None
    assert extends_of(RecipeSource("recipes/x.yaml", "extends: [")) is None


def test_steps() -> None:
    assert steps("verify.checks[2].expect") == ["verify", "checks", 2, "expect"]


def test_there_is_no_judge_unless_the_recipe_names_one() -> None:
    assert compose([ROOT]).recipe.judge is None
    assert compose([RecipeSource("recipes/x.yaml", f"judge:\n{ROOT.text}")]).recipe.judge is None
    judge = "judge: {base_url: http://127.0.0.1:9000/v1, model: large}\n"
    found = compose([RecipeSource("recipes/x.yaml", judge + ROOT.text)], sets=("judge.question_limit=7",))
    assert found.recipe.judge is not None
    assert (found.recipe.judge.model, found.recipe.judge.question_limit) == ("large", 7)
    assert found.origins["judge.question_limit"] == "--set judge.question_limit=7"
    with pytest.raises(UsageError, match="judge: must be a judge with base_url and model, or with recipe"):
        compose([ROOT], sets=("judge.base_url=http://x/v1",))
