"""What `conch data add` writes: names that are allowed, entries and recipes that read back as meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.checks import problems_of
from orchestrator.datasets.base import Conversation
from orchestrator.datasets.entry import RESERVED, DatasetEntry, name_problem, read_entry
from orchestrator.datasets.scaffold import Scaffold, entry_text, name_for, recipe_text
from orchestrator.datasets.trained_cases import CaseSampler, TrainedCase
from orchestrator.datasets.updates import PLATEAU, TRIAL_STEPS, Updates
from orchestrator.recipe import Recipe, RecipeSource, compose

BASE = RecipeSource(
    "recipes/b.yaml", "model: {base: embedded}\ndata: {dataset: x}\ntemplate: {name: qwen3, thinking: 'on'}\n"
)
TURNS = ("user", "assistant")


def talk(*texts: str, system: str = "") -> Conversation:
    said = [{"role": TURNS[index % 2], "content": text} for index, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *said] if system else said


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("my_rows", "my_rows"),
        ("My FAQ (v1.2)", "my_faq_v1.2"),
        ("ＦＡＱ", "faq"),
        ("...", "data_rows"),
        ("prepare", "prepare_rows"),
        ("-rf", "rf"),
        ("x" * 99, "x" * 56),
    ],
)
def test_a_name_is_made_of_what_can_be_one(stem: str, name: str) -> None:
    assert name_for(stem) == name


def test_names_that_lose_their_chinese_stay_apart() -> None:
    names = {name_for(stem) for stem in ("海螺v1", "章鱼v1", "海螺", "章鱼")}
    assert len(names) == 4
    assert sorted(name[: name.index("_")] for name in names) == ["data", "data", "v1", "v1"]


@given(st.text())
def test_every_stem_has_an_allowed_name(stem: str) -> None:
    assert name_problem(name_for(stem)) == ""


@pytest.mark.parametrize("name", ["海螺", "../x", "a b", "X", "", *RESERVED])
def test_what_is_no_name_is_said(name: str) -> None:
    assert name_problem(name)


def test_an_entry_reads_back_as_it_was_meant() -> None:
    origin = DatasetEntry(
        "x",
        format="alpaca",
        file="data/x.jsonl",
        columns={"prompt": '问"题', "response": "答: 案"},
        items="faq/item",
        sheet="2024",
        split="train",
        fix=True,
        drop_bad=True,
    )
    assert read_entry("x", entry_text(origin, "x: 3 rows")) == origin


def test_an_entry_on_a_hub_reads_back_as_it_was_meant() -> None:
    origin = DatasetEntry(
        "x", format="alpaca", hub_id="a/b", hub_revision="0f", hub_file="d/t.jsonl", hub="modelscope"
    )
    assert read_entry("x", entry_text(origin, "x: 3 rows")) == origin


def test_a_short_entry_says_no_more_than_it_must() -> None:
    text = entry_text(DatasetEntry("x", format="alpaca", file="x.jsonl"), "x")
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "format: alpaca",
        'file: "x.jsonl"',
    ]
    assert "# licence:" in text


def composed(rows: int, cases: Sequence[TrainedCase], **more: Any) -> Recipe:
    text = recipe_text(Scaffold(name="mine", base="b", rows=rows, cases=cases, **more))
    return compose([RecipeSource("recipes/mine.yaml", text), BASE], profile="cpu").recipe


def by_rule(rows: int) -> dict[str, Updates]:
    return dict.fromkeys(("cpu", "cuda"), Updates(rows, 20 * rows, 8))


def test_a_recipe_asks_what_was_taught_and_says_so() -> None:
    cases = (
        TrainedCase(("你是\n谁？",), "你是：海螺", "我是", {"contains": ["海", "螺"]}),
        TrainedCase(("一", "二"), "", "三", {"similar": {"to": '"三"', "least": 0.7}}),
    )
    recipe = composed(3, cases)
    assert [(case.ask, case.system, case.expect) for case in recipe.verify.checks] == [
        (("你是\n谁？",), "你是：海螺", {"contains": ["海", "螺"]}),
        (("一", "二"), None, {"similar": {"to": '"三"', "least": 0.7}}),
    ]
    assert recipe.data.dataset == ("mine",)
    text = recipe_text(Scaffold(name="mine", base="b", rows=3, cases=cases))
    assert '# taught: "我是"' in text
    assert "edit it where another answer is right too" in text


def test_a_recipe_without_a_question_asks_none_of_the_base_s_and_aims_at_none() -> None:
    recipe = composed(3, (), checked=True)
    assert (recipe.verify.checks, recipe.target.checks) == ((), None)


def test_rows_that_are_held_out_are_only_reported() -> None:
    recipe = composed(9, (), held_out="test")
    assert recipe.evaluate.split == "test"
    assert (recipe.target.paraphrases, recipe.target.metrics) == (None, {})


def test_the_rule_is_stated_and_applied_on_every_profile() -> None:
    recipe = composed(5, (), updates=by_rule(5))
    assert (recipe.train.epochs, recipe.train.plateau, recipe.train.max_steps) == (40, PLATEAU, None)
    text = recipe_text(Scaffold(name="mine", base="b", rows=5, cases=(), updates=by_rule(5)))
    assert "# 40 updates: 40 passes over 5 rows in batches of 8." in text
    assert "On other bases: not measured." in text
    rules = {"cpu": Updates(5, 100, 2), "cuda": Updates(5, 100, 8)}
    text = recipe_text(Scaffold(name="mine", base="b", rows=5, cases=(), updates=rules, apart=True))
    chain = [RecipeSource("recipes/mine.yaml", text), BASE]
    assert [compose(chain, profile=one).recipe.train.epochs for one in ("cpu", "cuda")] == [16, 40]


def test_a_base_with_steps_keeps_them_and_the_recipe_says_so() -> None:
    assert composed(5, ()).train.epochs == 3
    assert "b says (train.max_steps)" in recipe_text(Scaffold(name="mine", base="b", rows=5, cases=()))


@pytest.mark.parametrize(("rows", "steps"), [(200, None), (20_000, TRIAL_STEPS)])
def test_many_rows_are_tried_first_where_there_is_no_gpu(rows: int, steps: int | None) -> None:
    assert composed(rows, (), updates=by_rule(rows)).train.max_steps == steps


def test_an_answer_longer_than_the_base_allows_is_not_cut() -> None:
    assert composed(3, (), max_tokens={"cpu": 704}, updates=by_rule(20_000)).verify.max_tokens == 704


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=4))
def test_no_text_of_the_file_makes_a_recipe_that_cannot_be_read(rows: list[list[str]]) -> None:
    sampler = CaseSampler()
    for row in rows:
        sampler.see(talk(*row))
    cases = sampler.cases()
    for case, checked in zip(cases, composed(3, cases).verify.checks, strict=True):
        assert (case.ask, case.expect) == (checked.ask, checked.expect)
        assert not problems_of(checked.expect)
