"""The tools of a question in OpenAI's format: a recipe's `tools:` list."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.recipe.fields import FieldType, wrong

NAME = r"^[A-Za-z0-9_-]{1,64}$"
_SHAPE = (
    "such as {type: function, function: {name: get_weather, parameters: {type: object, properties: {…}}}}"
)


@dataclass(frozen=True, slots=True)
class Tools(FieldType):
    """A list of functions that a model may call, with unique names."""

    def check(self, value: object) -> tuple[dict[str, object], ...]:
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            raise wrong(f"a list of tools {_SHAPE}")
        for index, tool in enumerate(value):
            if problem := _problem(tool):
                raise wrong(f"a list of tools {_SHAPE}; [{index}] {problem}")
        names = [tool["function"]["name"] for tool in value]
        if len(set(names)) < len(names):
            raise wrong("a list of tools with unique names")
        return tuple(value)

    def json(self) -> dict[str, object]:
        function = {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": NAME},
                "description": {"type": "string"},
                "parameters": {"type": "object"},
            },
            "required": ["name"],
        }
        properties = {"type": {"const": "function"}, "function": function}
        tool = {"type": "object", "properties": properties, "required": ["type", "function"]}
        return {"type": "array", "items": tool}


def _problem(tool: object) -> str:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return "is not of type: function"
    function = tool.get("function")
    if not isinstance(function, dict):
        return "has no function"
    named = function.get("name")
    if not isinstance(named, str) or not re.fullmatch(NAME.removesuffix("$"), named):
        return "needs a name of letters, digits, dash and underscore (at most 64)"
    if not isinstance(function.get("description", ""), str):
        return "has a description that is not text"
    return "" if isinstance(function.get("parameters", {}), dict) else "has parameters that are not a mapping"
