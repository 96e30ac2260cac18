"""What `conch data add` writes: names that are allowed, entries and recipes that read back as meant."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.datasets.base import Conversation
from orchestrator.datasets.entry import RESERVED, DatasetEntry, name_problem, read_entry
from orchestrator.datasets.scaffold import (
    BY_HEART,
    TRIAL_STEPS,
    TrainedCase,
    cases_of,
    entry_text,
    name_for,
    recipe_text,
)
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


def test_the_first_short_conversations_are_asked() -> None:
    cases = cases_of(
        [
            talk("长" * 400, "答"),
            talk("${x}", "答"),
            talk("看不见\u2028", "答"),
            [{"role": "user", "content": "问"}, {"role": "function_call", "content": "{}"}],
            talk("你是谁？", "<think>\n想\n</think>\n\n我是海螺。", system="你是海螺"),
            talk("你是谁？", "另一个答"),
            talk("一", "二", "三", "四", "五", "六", "七", "八"),
            talk("还有", "没了"),
        ]
    )
    assert cases == (
        TrainedCase(("你是谁？",), "你是海螺", "我是海螺。"),
        TrainedCase(("一", "三", "五"), "", "六"),
    )


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


def composed(rows: int, cases: Sequence[TrainedCase], *, steps_limited: bool = False) -> Recipe:
    text = recipe_text("mine", "b", rows, cases, steps_limited=steps_limited)
    return compose([RecipeSource("recipes/mine.yaml", text), BASE], profile="cpu").recipe


def test_a_recipe_asks_what_the_file_asks() -> None:
    cases = (TrainedCase(("你是\n谁？",), "你是：海螺", "我是"), TrainedCase(("一", "二"), "", "三"))
    recipe = composed(3, cases)
    assert [(case.ask, case.system) for case in recipe.verify.checks] == [
        (("你是\n谁？",), "你是：海螺"),
        (("一", "二"), None),
    ]
    assert recipe.data.dataset == ("mine",)
    assert '# trained answer: "我是"' in recipe_text("mine", "b", 3, cases, steps_limited=False)


def test_a_recipe_without_a_question_asks_none_of_the_base_s() -> None:
    assert composed(3, ()).verify.checks == ()


@pytest.mark.parametrize(
    ("rows", "steps_limited", "steps"),
    [(BY_HEART, False, None), (BY_HEART + 1, False, TRIAL_STEPS), (BY_HEART + 1, True, None)],
)
def test_many_rows_are_tried_first_where_there_is_no_gpu(
    rows: int, steps: int | None, *, steps_limited: bool
) -> None:
    assert composed(rows, (), steps_limited=steps_limited).train.max_steps == steps


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), max_size=4))
def test_no_text_of_the_file_makes_a_recipe_that_cannot_be_read(rows: list[list[str]]) -> None:
    composed(3, cases_of(talk(*row) for row in rows))
