"""The address of a recipe's server, for the verbs that send requests to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.execute.host import machine
from orchestrator.execute.project import recipes
from orchestrator.recipe import Recipe

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  all addresses, of a server


def address_of(recipe: Recipe) -> str:
    """The base URL of this recipe's `conch serve`, on this machine."""
    host = _ANY.get(recipe.serve.host, recipe.serve.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{recipe.serve.port}/v1"


def served(name: str, *, start: Path, sets: Sequence[str] = (), hardware: str = "auto") -> tuple[str, str]:
    """The base URL and the model name of a recipe; its data and models may be missing."""
    resolved = recipes.read(
        name,
        project=recipes.project_folder(start),
        sets=sets,
        environ=os.environ,
        profile=hardware,
        machine=machine.hardware(),
    )
    return address_of(resolved.recipe), resolved.recipe.served_model
