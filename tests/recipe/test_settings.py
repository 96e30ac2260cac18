"""Settings from outside the files, and how one tree is laid on another."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.recipe.compose import merge, settings
from orchestrator.recipe.document import RecipeSource, parse
from orchestrator.recipe.tree import Node


def tree(text: str, name: str = "x") -> Node:
    root = parse(RecipeSource(name, text)).root
    assert root is not None
    return root


def laid(lower: str, upper: str) -> Any:
    return merge(tree(lower, "lower"), tree(upper, "upper")).plain


def test_mappings_merge_and_the_rest_replaces() -> None:
    assert laid("a: {b: 1, c: 2}\nd: [1]", "a: {c: 3}\nd: [2, 3]") == {"a": {"b": 1, "c": 3}, "d": [2, 3]}
    assert laid("a: {b: 1}", "a: 2") == {"a": 2}
    assert laid("a: 2", "a: {b: 1}") == {"a": {"b": 1}}


def test_nothing_over_a_mapping_changes_nothing_and_over_a_value_takes_it_back() -> None:
    assert laid("a: {b: 1}\nc: 2", "a:\nc:") == {"a": {"b": 1}, "c": None}


def test_another_base_drops_revision_and_hub_only_in_model() -> None:
    assert laid("model: {base: a/b, revision: x}", "model: {base: c/d}") == {"model": {"base": "c/d"}}
    kept = {"base": "c/d", "revision": "x"}
    assert laid("vllm: {base: a/b, revision: x}", "vllm: {base: c/d}") == {"vllm": kept}
    assert laid("model: {revision: x}", "model: {base: c/d}") == {"model": kept | {"base": "c/d"}}


def test_nothing_is_changed_in_place() -> None:
    lower = tree("a: {b: 1}")
    merge(lower, tree("a: {c: 2}"))
    assert lower.plain == {"a": {"b": 1}}


def test_the_command_line_is_above_the_environment_and_the_last_word_counts() -> None:
    environ = {"CONCH_SET_TRAIN__SEED": "1", "CONCH_SET_TRAIN__EPOCHS": "2", "OTHER": "3"}
    edits, problems = settings(environ, ["train.seed=4", "train.seed=5", "vllm.a-b=c=d"])
    assert edits.plain == {"train": {"seed": 5, "epochs": 2}, "vllm": {"a-b": "c=d"}}
    assert not problems
    assert edits.value["train"].value["seed"].where == "--set train.seed=5"
    assert edits.value["train"].value["epochs"].where == "CONCH_SET_TRAIN__EPOCHS"


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("train.epochs", "a setting must be KEY=VALUE"),
        ("=3", '"" is not a dotted key'),
        ("a..b=3", '"a..b" is not a dotted key'),
        ("checks[0]=3", '"checks[0]" is not a dotted key'),
        ("x." * 5000 + "x=1", "is not a dotted key"),
        ("name=x", "name: can only be set in the file"),
        ("extends=x", "extends: can only be set in the file"),
        ("a={", "not YAML"),
        ("a=!!python/name:os.system", "recipes do not support tags"),
    ],
)
def test_what_is_not_a_setting(argument: str, what: str) -> None:
    edits, (problem, *_) = settings({}, [argument])
    assert what in problem.what
    assert problem.where.startswith(f"--set {argument[:20]}")
    assert len(str(problem)) < 400
    assert edits.plain in ({}, {"a": None}, {"a": ""})


def test_a_variable_without_a_key() -> None:
    _, (problem,) = settings({"CONCH_SET_": "3"}, [])
    assert problem.where == "CONCH_SET_"
