"""sft: supervised fine-tuning. Conversations go in, a model that answers like them comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.datasets.base import SFT
from orchestrator.errors import Problem
from orchestrator.recipe import Recipe

purpose = SFT
scores = False
resumes = True
omitted_stages: frozenset[str] = frozenset()
proofs: tuple[str, ...] = ()
unproven: Mapping[str, str] = {}
preference: frozenset[str] = frozenset()


def problems(recipe: Recipe) -> Iterable[Problem]:  # noqa: ARG001  every combination is valid
    """None."""
    return ()


def train_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """LLaMA-Factory's stage."""
    return {"stage": "sft"}


def export_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """None: the export is the trained model, whole."""
    return {}
