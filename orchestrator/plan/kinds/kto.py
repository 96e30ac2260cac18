"""kto: Kahneman-Tversky optimization. Conversations go in whose last answer was liked or disliked.

Defaults and meanings are LLaMA-Factory's (hparams/finetuning_args.py of 0.9.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.datasets.base import KTO
from orchestrator.errors import Problem
from orchestrator.recipe import Recipe

purpose = KTO
scores = False
resumes = True
omitted_stages: frozenset[str] = frozenset()
proofs: tuple[str, ...] = ("preference",)
unproven: Mapping[str, str] = {}
preference = frozenset({"beta", "sft_weight", "liked_weight", "disliked_weight"})


def problems(recipe: Recipe) -> Iterable[Problem]:  # noqa: ARG001  every combination is valid
    """None."""
    return ()


def train_settings(recipe: Recipe) -> Mapping[str, object]:
    """LLaMA-Factory's stage, and the loss."""
    chosen = recipe.preference
    return {
        "stage": "kto",
        "pref_beta": chosen.beta,
        "pref_ftx": chosen.sft_weight or None,
        "kto_chosen_weight": chosen.liked_weight,
        "kto_rejected_weight": chosen.disliked_weight,
    }


def export_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """None: the export is the trained model, whole."""
    return {}
