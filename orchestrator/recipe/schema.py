"""The JSON Schema of a recipe file (draft 2020-12), for editors: every section as pydantic knows it.

A file may inherit anything from the recipe that it extends, so only a check's question is required.
"""

from __future__ import annotations

from typing import Any

from orchestrator.recipe.fields import NAME_PATTERN
from orchestrator.recipe.hardware import PROFILES
from orchestrator.recipe.sections import PASSAGES, SECTIONS, Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, in a stable order."""
    whole = Recipe.model_json_schema()
    definitions = {name: _section(one, case=name == "CheckCase") for name, one in whole["$defs"].items()}
    properties = {key: whole["properties"][key] for key in (*SECTIONS, *PASSAGES)}
    for one in properties.values():
        one.pop("title", None)
        one.pop("default", None)
        for kind in one.pop("anyOf", ())[:1]:  # a section that may be absent
            one.update(kind)
    for profile in PROFILES:
        description = definitions["Hardware"]["properties"][profile]["description"]
        definitions["Hardware"]["properties"][profile] = {
            "$ref": "#/$defs/Partial",
            "description": description,
        }
    definitions["Partial"] = {
        "description": "Any part of a recipe, without hardware and extends.",
        "type": "object",
        "additionalProperties": False,
        "properties": {key: one for key, one in properties.items() if key != "hardware"},
    }
    extends = {
        "type": "string",
        "pattern": NAME_PATTERN,
        "description": "Another recipe that this one builds on: mappings merge, lists replace.",
    }
    return {
        "$schema": DIALECT,
        "title": "Conch recipe",
        "description": "What to fine-tune, on what, how to serve it and what it must answer.",
        "type": "object",
        "additionalProperties": False,
        "properties": {"extends": extends, **properties},
        "$defs": dict(sorted(definitions.items())),
    }


def _section(one: dict[str, Any], *, case: bool) -> dict[str, Any]:
    public = {key: value for key, value in one.items() if key not in ("title", "required")}
    for value in public["properties"].values():
        value.pop("title", None)
    return public | ({"oneOf": [_given("ask"), _given("from")]} if case else {})


def _given(key: str) -> dict[str, Any]:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}
