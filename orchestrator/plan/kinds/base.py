"""The shape of a training kind: what sets one kind of training apart from another in a plan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from orchestrator.errors import Problem
from orchestrator.recipe import Recipe


def asks(recipe: Recipe) -> tuple[str, ...]:
    """The keys with which a recipe asks its model questions, those of general knowledge aside."""
    given = {
        "verify.checks": bool(recipe.verify.checks),
        "evaluate.split": recipe.evaluate.split != "none",
        "target": recipe.target.given,
    }
    return tuple(key for key, is_given in given.items() if is_given)


class TrainingKind(Protocol):
    """A module of this room.

    Attributes:
        purpose: of the data formats whose rows it trains (datasets/base.py).
        scores: the export is a reward model: it scores conversations and answers none.
        resumes: an interrupted training goes on from a checkpoint; otherwise it starts again.
        omitted_stages: names of STAGES that a run of this kind leaves out.
        proofs: of proofs.OF_KINDS that its runs have.
        unproven: proofs that its runs do not have → why.
        preference: the keys of a recipe's `preference` section that it uses.
    """

    purpose: str
    scores: bool
    resumes: bool
    omitted_stages: frozenset[str]
    proofs: tuple[str, ...]
    unproven: Mapping[str, str]
    preference: frozenset[str]

    def problems(self, recipe: Recipe) -> Iterable[Problem]:
        """What this kind refuses in a recipe; `where` is the dotted key."""

    def train_settings(self, recipe: Recipe) -> Mapping[str, object]:
        """Settings of `llamafactory-cli train` that belong to this kind; `stage` is always one of them."""

    def export_settings(self, recipe: Recipe) -> Mapping[str, object]:
        """Settings of `llamafactory-cli export` that belong to this kind."""
