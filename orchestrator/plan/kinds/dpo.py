"""dpo: direct preference optimization. Pairs of a better and a worse answer go in.

The reference is the base model: with LoRA the adapter switched off, otherwise a second copy in memory. So a
recipe that is built on another one (`model.base: recipe:NAME`) measures against that recipe's export.
Defaults and meanings are LLaMA-Factory's (hparams/finetuning_args.py of 0.9.5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.datasets.base import DPO
from orchestrator.errors import Problem
from orchestrator.recipe import Recipe

purpose = DPO
scores = False
resumes = True
omitted_stages: frozenset[str] = frozenset()
proofs: tuple[str, ...] = ("preference",)
unproven: Mapping[str, str] = {}
preference = frozenset({"loss", "beta", "gamma", "label_smoothing", "sft_weight", "bco_weight"})
# LLaMA-Factory 0.9.5 calls trl 0.24's dpo_loss without its loss_type: each of these trains something else.
MISTRAINED = {
    "hinge": "exactly as sigmoid",
    "kto_pair": "exactly as sigmoid",
    "ipo": "as sigmoid on log-probabilities averaged by length",
}


def problems(recipe: Recipe) -> Iterable[Problem]:
    """Losses that would be trained as another one, and settings that the chosen loss ignores."""
    chosen = recipe.preference
    if chosen.loss in MISTRAINED:
        as_what = MISTRAINED[chosen.loss]
        what = f"preference.loss: LLaMA-Factory 0.9.5 with trl 0.24 trains {chosen.loss} {as_what}"
        yield Problem(what, "preference.loss", "choose sigmoid, orpo or simpo")
    if chosen.label_smoothing and chosen.loss != "sigmoid":
        what = f"preference.label_smoothing: the loss {chosen.loss} does not use it"
        yield Problem(what, "preference.label_smoothing", "set preference.loss: sigmoid, or delete it")
    if chosen.gamma is not None and chosen.loss != "simpo":
        what = f"preference.gamma: the loss {chosen.loss} does not use it"
        yield Problem(what, "preference.gamma", "set preference.loss: simpo, or delete it")


def train_settings(recipe: Recipe) -> Mapping[str, object]:
    """LLaMA-Factory's stage, and the loss."""
    chosen = recipe.preference
    return {
        "stage": "dpo",
        "pref_loss": chosen.loss,
        "pref_beta": chosen.beta,
        "simpo_gamma": chosen.gamma,
        "dpo_label_smoothing": chosen.label_smoothing or None,
        "pref_ftx": chosen.sft_weight or None,
        "pref_bco_weight": chosen.bco_weight or None,
    }


def export_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """None: the export is the trained model, whole."""
    return {}
