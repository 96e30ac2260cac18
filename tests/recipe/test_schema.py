"""The JSON Schema: equal to the file beside the recipes; takes them, and refuses what Conch refuses."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.errors import UsageError
from orchestrator.recipe import RecipeSource, compose
from orchestrator.recipe.document import parse
from orchestrator.recipe.schema import schema

jsonschema: Any = import_module("jsonschema")  # it has no type stubs

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(RECIPES.glob("*.yaml"))


def validator() -> Any:
    document = schema()
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def test_the_file_is_the_schema() -> None:
    written = json.loads((RECIPES / "recipe.schema.json").read_text(encoding="utf-8"))
    assert written == schema(), "conch schema > recipes/recipe.schema.json"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_recipe_is_valid_and_names_the_schema(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    root = parse(RecipeSource(file.name, text)).root
    assert root is not None
    validator().validate(root.plain)


BAD = [
    "modle: {base: embedded}",
    "train: {learing_rate: 1.0e-4}",
    "train: {learning_rate: 0}",
    "train: {epochs: many}",
    "train: {method: qlora}",
    "serve: {port: 99999}",
    "data: {dataset: ../x}",
    "data: {dataset: []}",
    "template: {thinking: maybe}",
    "verify: {checks: [{expect: {contains: x}}]}",
    "verify: {checks: [{ask: []}]}",
    "judge: {base_url: 'ftp://x', model: m}",
    "judge: {base_url: 'http://me:secret@x/v1', model: m}",
    "judge: {base_url: 'http://x/v1', model: m, question_limit: 0}",
    "hardware: {cpu: {hardware: {}}}",
    "hardware: {cuda: {train: {epoch: 3}}}",
    "extends: [a]",
    "vllm: 3",
]


@pytest.mark.parametrize("text", BAD)
def test_schema_and_conch_refuse_the_same(text: str) -> None:
    assert list(validator().iter_errors(yaml.safe_load(text)))
    root = "model: {base: embedded}\ndata: {dataset: a}\ntemplate: {name: b}\n"
    with pytest.raises(UsageError):
        compose([RecipeSource("x.yaml", text), RecipeSource("root.yaml", root)])


@pytest.mark.parametrize(
    "text",
    ["extends: magic_conch", "template: {thinking: on}", "train: {lora_target: [q_proj]}", "vllm: {x: [1]}"],
)
def test_nothing_is_required_of_a_file_that_extends(text: str) -> None:
    validator().validate(yaml.safe_load(text))


def test_an_editor_is_told_defaults_ranges_and_choices() -> None:
    train = schema()["$defs"]["Train"]["properties"]
    assert train["learning_rate"] == {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1,
        "default": 0.0002,
        "description": "Peak learning rate; 0.0015 on a CPU.",
    }
    assert train["compute_type"]["enum"] == ["auto", "fp32", "bf16", "fp16"]
