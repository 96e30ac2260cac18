"""Whatever a file or a setting holds: a recipe comes of it, or a UsageError that says something."""

from __future__ import annotations

import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.recipe import Recipe, RecipeSource, compose

TEXT = """extends: root
model: {base: org/root, revision: abc, hub: modelscope}
modle: {base: x}
data: {dataset: [ok, no], cutoff_len: 512}
template: {name: deepseekr1}
train:
  epochs: 1
  learning_rate: 1e-4
  seed: ${SEED}
verify:
  checks:
    - {ask: one, expect: {contains: "1"}}
    - asks: hi
vllm: {block_size: 16, dtype: auto}
llamafactory:
hardware:
  cpu: {train: {batch_size: 2, lora_rank: 4}, model: {base: embedded}}
  cuda: {train: {max_grad_norm: -1}, extends: root}
"""
ROOT = RecipeSource(
    "recipes/root.yaml",
    "model: {base: org/root}\ndata: {dataset: a}\ntemplate: {name: deepseekr1}\n",
)
LINES = TEXT.splitlines()


@given(st.text(max_size=200))
def test_no_text_raises_anything_but_a_usage_error(text: str) -> None:
    survives([RecipeSource("recipes/x.yaml", text)])


@given(st.lists(st.sampled_from(LINES), max_size=25), st.data())
def test_no_mutation_raises_anything_but_a_usage_error(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    position = data.draw(st.integers(0, len(text)))
    glyph = data.draw(
        st.sampled_from([*"{}[]:,-?&*!|>'\"%@`#\t\n\r 0螺\u2028\x85", ".nan", "1e999", "${", "---"])
    )
    survives([RecipeSource("recipes/x.yaml", text[:position] + glyph + text[position:]), ROOT])


@given(
    st.lists(st.text(max_size=30), max_size=3), st.dictionaries(st.text(max_size=20), st.text(max_size=20))
)
def test_no_setting_raises_anything_but_a_usage_error(sets: list[str], environ: dict[str, str]) -> None:
    prefixed = {f"CONCH_SET_{key}": value for key, value in environ.items()}
    survives([ROOT], sets=[*sets, *(f"train.{one}" for one in sets)], environ=prefixed)


def survives(
    chain: list[RecipeSource], sets: list[str] | None = None, environ: dict[str, str] | None = None
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


# Some YAML reads 0E0 as a number: PyYAML does not quote it, and Conch asks for the quotes.
plain = words.filter(lambda word: "${" not in word and word[0] not in "+-.0123456789")


@given(trains, st.lists(plain, min_size=1, max_size=3))
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
    assert compose([RecipeSource("recipes/x.yaml", text)]).recipe == wanted
