"""Who wins, where values come from, and that every mistake is said at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.recipe import Recipe, Resolved, Source, compose, extends_of
from orchestrator.recipe.compose import steps

Build = Callable[..., Resolved]
Refused = Callable[..., list[str]]

ROOT = Source(
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
CHILD = Source(
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
    }
    model = compose([ROOT], profile="cuda", sets=["model.revision=def", "model.base=org/new"]).recipe.model
    assert (model.base, model.revision) == ("org/new", "def")
    same = compose([ROOT], profile="cuda", sets=["model.base=org/root"]).recipe.model
    assert same.revision == "abc"


def test_null_takes_a_value_back_and_an_empty_section_changes_nothing() -> None:
    child = Source("recipes/child.yaml", "extends: root\nmodel: {revision: null}\ntrain:\nvllm:\n")
    recipe = compose([child, ROOT], profile="cuda").recipe
    assert recipe.model.revision is None
    assert recipe.train.seed == 1
    assert recipe.vllm == {"block_size": 16, "dtype": "auto"}


def test_lists_from_outside_replace(build: Build) -> None:
    assert build(sets=["data.dataset=[p, q]"]).recipe.data.dataset == ("p", "q")
    assert build(sets=["verify.checks=[{ask: hi}]"]).recipe.verify.checks[0].ask == ("hi",)


def test_the_name_is_the_files(build: Build, refused: Refused) -> None:
    assert build().recipe.name == "x"
    assert build().recipe.served_model == "x"
    assert build("serve: {model: conch}").recipe.served_model == "conch"
    assert refused("name: y\nmodel: {base: embedded}\ndata: {dataset: a}\ntemplate: {name: b}")[0].startswith(
        "recipes/x.yaml:1:1  name: a recipe is named by its file"
    )


MISTAKES = """extends: root
modle: {base: x}
model:
  base: embeded
data: {dataset: [ok, no], cutoff: 3}
train:
  epochs: 0
  method: lroa
  cutoff_len: 12
  lr: 1
serve: {model: 2024}
verify:
  checks:
    - asks: hi
    - ask: ${HOME}
      expect: 3
hardware:
  cuda: {train: {max_grad_norm: -1}, extends: root}
vllm: 3
template: x
"""
SAID = """\
recipes/x.yaml:2:1  modle: no key named "modle"; did you mean "model"?
recipes/x.yaml:4:9  model.base: must be a hub id (org/name), a folder (./folder or /folder) or embedded, got \
"embeded"; did you mean "embedded"?
recipes/x.yaml:5:22  data.dataset[1]: must be text, but no without quotes is a boolean
    → quote it: "no"
recipes/x.yaml:5:27  data.cutoff: no key named "cutoff"; did you mean "cutoff_len"?
recipes/x.yaml:7:11  train.epochs: must be a number above 0 and at most 10000, got 0
recipes/x.yaml:8:11  train.method: must be lora, full or freeze, got "lroa"; did you mean "lora"?
recipes/x.yaml:9:3  train.cutoff_len: no key named "cutoff_len"; did you mean "data.cutoff_len"?
recipes/x.yaml:10:3  train.lr: no key named "lr"; did you mean "train.learning_rate"?
recipes/x.yaml:11:16  serve.model: must be text, but 2024 without quotes is a number
    → quote it: model: "2024"
recipes/x.yaml:14:7  verify.checks[0].ask: is not given
    → add `ask: …`
recipes/x.yaml:14:7  verify.checks[0].asks: no key named "asks"; did you mean "ask"?
recipes/x.yaml:15:12  recipes have no ${…} interpolation
    → write the value itself, or give it with --set
recipes/x.yaml:16:15  verify.checks[1].expect: must be a mapping of check to argument, got 3
recipes/x.yaml:18:33  hardware.cuda.train.max_grad_norm: must be a number from 0 to 1000, got -1
recipes/x.yaml:18:38  hardware.cuda.extends: does not belong under a hardware profile
    → delete it
recipes/x.yaml:19:7  vllm: must be a mapping of vLLM's own settings, got 3
recipes/x.yaml:20:11  template: must be a mapping (key: value lines), got "x"
recipes/y.yaml:1:20  train.lora_rank: must be a whole number from 1 to 1024, got 0
--set a  a setting is KEY=VALUE
    → --set train.epochs=3
--set checks[0]=3  "checks[0]" is not a dotted key
    → --set train.epochs=3 (a list is set as a whole: --set 'data.dataset=[a, b]')
--set extends=y  extends: can only be written in the file
--set vllm.x=[  not YAML: did not find expected node content, while parsing a flow node
CONCH_SET_TRAIN__SCHEDULER  train.scheduler: must be cosine, linear, constant, constant_with_warmup, \
cosine_with_restarts, polynomial or inverse_sqrt, got "cosin"; did you mean "cosine"?
--set train.seed=x  train.seed: must be a whole number from 0 to 4294967295, got "x"
--set trian.x=3  trian: no key named "trian"; did you mean "train"?"""


def test_every_mistake_at_once() -> None:
    """On a CPU, with the mistakes of the cuda profile; each in the file of the chain that holds it."""
    hidden = "train: {lora_rank: 0}\nhardware: {cpu: {train: {lora_rank: 2}}}"
    chain = [Source("recipes/x.yaml", MISTAKES), Source("recipes/y.yaml", hidden), ROOT]
    sets = ["train.seed=x", "a", "trian.x=3", "checks[0]=3", "extends=y", "vllm.x=["]
    with pytest.raises(UsageError) as caught:
        compose(chain, sets=sets, environ={"CONCH_SET_TRAIN__SCHEDULER": "cosin"}, profile="cpu")
    said = str(caught.value).splitlines()
    wanted = SAID.splitlines()
    assert said == wanted, "\n".join(difflib.unified_diff(wanted, said, lineterm=""))


def test_what_is_not_given_at_all(refused: Refused) -> None:
    assert refused("train: {epochs: 1}\nmodel:\n") == [
        "recipes/x.yaml:1:1  data.dataset: is not given\n    → add `data: {dataset: …}`",
        "recipes/x.yaml:1:1  template.name: is not given\n    → add `template: {name: …}`",
        "recipes/x.yaml:2:1  model.base: is not given\n    → add `model: {base: …}`",
    ]


def test_what_only_one_profile_gives_is_enough() -> None:
    text = "data: {dataset: a}\ntemplate: {name: b}\nhardware: {cpu: {model: {base: embedded}}}"
    assert compose([Source("recipes/x.yaml", text)], profile="cpu").recipe.model.base == "embedded"
    with pytest.raises(UsageError, match=r"model\.base: is not given"):
        compose([Source("recipes/x.yaml", text)], profile="cuda")


@pytest.mark.parametrize("where", ["--set vllm.x=${HOME}", "CONCH_SET_VLLM__X"])
def test_no_interpolation_from_outside(build: Build, where: str) -> None:
    outside = {"sets": ["vllm.x=${HOME}"]} if where.startswith("--") else {"environ": {where: "${HOME}"}}
    with pytest.raises(UsageError) as caught:
        build(**outside)
    assert str(caught.value).startswith(f"{where}  recipes have no ${{…}} interpolation")


def test_a_terminal_is_not_told_what_to_do(refused: Refused) -> None:
    text = 'model: {base: "\\e[31m"}\ndata: {dataset: a}\ntemplate: {name: b}\n'
    (problem,) = refused(text, sets=[])
    assert problem.isprintable()
    (problem,) = refused(text.replace("\\e[31m", "a/b"), sets=["\x1b[31m=3"])
    assert problem.replace("\n", "").isprintable()
    assert len(refused(f'{text}"\\e[31m": 3\n')) == 1


def test_extends_of() -> None:
    assert extends_of(CHILD) == ("root", "recipes/child.yaml:1:10")
    assert extends_of(ROOT) is None
    assert extends_of(Source("recipes/x.yaml", "extends: [a]")) is None
    assert extends_of(Source("recipes/x.yaml", "extends: [")) is None


def test_steps() -> None:
    assert steps("verify.checks[2].expect") == ["verify", "checks", 2, "expect"]


LINES = (ROOT.text + CHILD.text).splitlines()


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_a_usage_error(text: str) -> None:
    survives([Source("recipes/x.yaml", text)])


@given(st.lists(st.sampled_from([*LINES, *MISTAKES.splitlines()]), max_size=25), st.data())
def test_no_mutation_raises_anything_but_a_usage_error(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    position = data.draw(st.integers(0, len(text)))
    glyph = data.draw(
        st.sampled_from([*"{}[]:,-?&*!|>'\"%@`#\t\n\r 0螺\u2028\x85", ".nan", "1e999", "${", "---"])
    )
    survives([Source("recipes/x.yaml", text[:position] + glyph + text[position:]), ROOT])


@given(
    st.lists(st.text(max_size=30), max_size=3), st.dictionaries(st.text(max_size=20), st.text(max_size=20))
)
def test_no_setting_raises_anything_but_a_usage_error(sets: list[str], environ: dict[str, str]) -> None:
    prefixed = {f"CONCH_SET_{key}": value for key, value in environ.items()}
    survives([ROOT], sets=[*sets, *(f"train.{one}" for one in sets)], environ=prefixed)


def survives(
    chain: list[Source], sets: list[str] | None = None, environ: dict[str, str] | None = None
) -> None:
    try:
        compose(chain, sets=sets or [], environ=environ)
    except UsageError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.what for problem in problems)


words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
trains = st.fixed_dictionaries(
    {},
    optional={
        "learning_rate": st.floats(min_value=1e-12, max_value=1),
        "epochs": st.floats(min_value=0.01, max_value=10000),
        "seed": st.integers(0, 2**32 - 1),
        "method": st.sampled_from(["lora", "full", "freeze"]),
        "gradient_checkpointing": st.booleans(),
    },
)


@given(trains, st.lists(words.filter(lambda word: "${" not in word), min_size=1, max_size=3))
def test_a_valid_recipe_comes_back_as_it_was(train: dict[str, object], questions: list[str]) -> None:
    wanted = Recipe.model_validate(
        {
            "name": "x",
            "model": {"base": "embedded"},
            "data": {"dataset": "a"},
            "template": {"name": "deepseekr1"},
            "train": train,
            "verify": {"checks": [{"ask": questions, "expect": {"contains": questions[0]}}]},
        }
    )
    text = yaml.safe_dump(wanted.model_dump(mode="json", exclude={"name"}), allow_unicode=True)
    assert compose([Source("recipes/x.yaml", text)]).recipe == wanted
