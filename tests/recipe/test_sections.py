"""What each section takes and refuses, as Python values."""
# Covers recipe/answers.py recipe/section.py

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from orchestrator.recipe import CheckCase, Data, Model, Recipe, Serve, Template, Train, Verify
from orchestrator.recipe.sections import FILE_KEYS, PASSAGES, SECTIONS


def test_alpha_is_twice_the_rank_unless_given() -> None:
    assert Train(lora_rank=24).alpha == 48
    assert Train(lora_rank=24, lora_alpha=7).alpha == 7


def test_everything_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Train().epochs = 3  # type: ignore[misc]  # what the test is about


@pytest.mark.parametrize(
    ("written", "meant"), [(True, "on"), (False, "off"), ("on", "on"), ("mixed", "mixed")]
)
def test_thinking_takes_yamls_booleans(written: Any, meant: str) -> None:
    assert Template(name="deepseekr1", thinking=written).thinking == meant


@pytest.mark.parametrize(
    "base", ["embedded", "org/name", "./models/海螺 1", "../up", "/models/a b", "Qwen/Qwen3-0.6B"]
)
def test_a_base(base: str) -> None:
    assert Model(base=base).base == base


@pytest.mark.parametrize(
    "base", ["gpt2", "", " ", "a/b/c", "org/", "-x/y", "org/na me", "https://x/y", "a/b\n", 3, None, True]
)
def test_not_a_base(base: Any) -> None:
    with pytest.raises(ValidationError):
        Model(base=base)


def test_texts_and_lists() -> None:
    assert Data.model_validate({"dataset": "a"}).dataset == ("a",)
    assert Data.model_validate({"dataset": ["a", "b"]}).dataset == ("a", "b")
    assert CheckCase.model_validate({"ask": "你是谁？"}).ask == ("你是谁？",)
    assert Train.model_validate({"lora_target": ["q_proj", "v_proj"]}).lora_target == "q_proj,v_proj"
    assert Verify.model_validate({"every": []}).every == ()


@pytest.mark.parametrize("dataset", [[], ["a", "a"], "../a", "A", ["a", 1], {"a": 1}, "a\n", ""])
def test_not_a_dataset(dataset: Any) -> None:
    with pytest.raises(ValidationError):
        Data(dataset=dataset)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "[::1]", "localhost", "gpu-1.lan"])
def test_a_host(host: str) -> None:
    assert Serve(host=host).host == host


@pytest.mark.parametrize("host", ["-x", "a b", "", "a;b", "a\n"])
def test_not_a_host(host: str) -> None:
    with pytest.raises(ValidationError):
        Serve(host=host)


def test_numbers() -> None:
    assert Data.model_validate({"dataset": "a", "max_samples": 1e3}).max_samples == 1000
    for key, value in (
        ("epochs", float("nan")),
        ("epochs", 10**400),
        ("seed", -1),
        ("seed", 2**32),
        ("epochs", "x"),
    ):
        with pytest.raises(ValidationError):
            Train.model_validate({key: value})


def test_the_tables_name_every_section() -> None:
    assert set(Recipe.model_fields) == {"name", *SECTIONS, *PASSAGES}
    assert set(FILE_KEYS) == {"extends", *SECTIONS, *PASSAGES}


def test_every_field_says_what_it_is_for() -> None:
    for section in SECTIONS.values():
        for key, info in section.model_fields.items():
            assert info.description, f"{section.__name__}.{key}"
            assert info.description.endswith("."), f"{section.__name__}.{key}"
