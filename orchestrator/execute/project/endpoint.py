"""The address of a recipe's server, for the verbs that send requests to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import Problem, UsageError
from orchestrator.execute.host import machine
from orchestrator.execute.project import recipes
from orchestrator.plan.kinds import KINDS
from orchestrator.recipe import Recipe

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  all addresses, of a server


def address_of(recipe: Recipe) -> str:
    """The base URL of this recipe's `conch serve`, on this machine."""
    host = _ANY.get(recipe.serve.host, recipe.serve.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{recipe.serve.port}/v1"


def reward_server(name: str, *, start: Path) -> tuple[str, str]:
    """The base URL and the model name of a recipe that trains a reward model.

    Raises:
        UsageError: there is no such recipe, or it trains a model that answers.
    """
    recipe = _read(name, start)
    if not _scores(recipe):
        what = f"judge.recipe: {name} trains no reward model (train.kind: {recipe.train.kind})"
        raise UsageError(Problem(what, hint="name a recipe of train.kind: reward, or set base_url and model"))
    return address_of(recipe), recipe.served_model


def served(name: str, *, start: Path, sets: Sequence[str] = (), hardware: str = "auto") -> tuple[str, str]:
    """The base URL and the model name of a recipe that answers; its data and models may be missing."""
    recipe = _read(name, start, sets, hardware)
    if _scores(recipe):
        raise gives_no_answers(recipe.name)
    return address_of(recipe), recipe.served_model


def _read(name: str, start: Path, sets: Sequence[str] = (), hardware: str = "auto") -> Recipe:
    return recipes.read(
        name,
        project=recipes.project_folder(start),
        sets=sets,
        environ=os.environ,
        profile=hardware,
        machine=machine.hardware(),
    ).recipe


def _scores(recipe: Recipe) -> bool:
    """Whether it trains a reward model."""
    kind = KINDS.get(recipe.train.kind)
    return kind is not None and kind.scores


def gives_no_answers(recipe: str) -> UsageError:
    """Why a reward model cannot be asked."""
    what = f"{recipe} trains a reward model: it scores answers and gives none"
    return UsageError(Problem(what, hint=f"conch verify {recipe} scores its held-out pairs"))
