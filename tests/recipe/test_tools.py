"""The tools of a question: OpenAI's shape, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from orchestrator.recipe.tools import Tools

GOOD = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def test_tools_are_kept_as_they_are() -> None:
    assert Tools().check([GOOD]) == (GOOD,)
    assert Tools().check(None) == ()


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        (GOOD, "a list of tools"),
        ([{"function": {"name": "a"}}], "[0] is not of type: function"),
        ([GOOD, {"type": "function"}], "[1] has no function"),
        ([{"type": "function", "function": {"name": "天气"}}], "needs a name"),
        ([{"type": "function", "function": {"name": "a\n"}}], "needs a name"),
        ([{"type": "function", "function": {"name": "a", "description": 1}}], "has a description"),
        ([{"type": "function", "function": {"name": "a", "parameters": []}}], "has parameters"),
        ([GOOD, GOOD], "unique names"),
    ],
)
def test_anything_else_is_refused(tools: Any, told: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        Tools().check(tools)
    assert told in str(caught.value.context)
