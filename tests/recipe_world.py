"""Two ways to compose one text: what comes of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.errors import UsageError
from orchestrator.recipe import RecipeSource, Resolved, compose

BASE = "model: {base: embedded}\ndata: {dataset: shells}\ntemplate: {name: deepseekr1}\n"

Build = Callable[..., Resolved]
Refused = Callable[..., list[str]]


@pytest.fixture
def build() -> Build:
    """A small valid recipe (three lines) with more text after it, composed as recipes/x.yaml."""

    def made(text: str = "", **outside: Any) -> Resolved:
        return compose([RecipeSource("recipes/x.yaml", BASE + text)], **outside)

    return made


@pytest.fixture
def refused() -> Refused:
    """The problems of a whole file's text, as printed."""

    def found(text: str, **outside: Any) -> list[str]:
        with pytest.raises(UsageError) as caught:
            compose([RecipeSource("recipes/x.yaml", text)], **outside)
        assert caught.value.exit_code == 2
        return [str(problem) for problem in caught.value.problems]

    return found
