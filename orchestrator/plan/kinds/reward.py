"""reward: a reward model. Pairs of a better and a worse answer go in, a model that scores answers comes out.

LLaMA-Factory trains a value head beside the adapter and leaves it in value_head.safetensors; the export turns
it into the head of a sequence classification model (execute/models/reward_head.py), which vLLM serves.
Facts of 0.9.5 (train/rm/, hparams/parser.py) and transformers 5: with lora it cannot resume from a checkpoint
(the value head is no part of it for the Trainer), and it refuses load_best_model_at_end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.datasets.base import DPO
from orchestrator.errors import Problem
from orchestrator.plan.kinds.base import asks
from orchestrator.recipe import Recipe

purpose = DPO
scores = True
resumes = False
omitted_stages = frozenset(
    ("ask_base", "general_base", "evaluate_base", "ask", "general", "evaluate", "judge", "target")
)
proofs: tuple[str, ...] = ("reward", "reward:accuracy")
preference: frozenset[str] = frozenset()
_SCORES = "a reward model scores answers and gives none"
unproven: Mapping[str, str] = dict.fromkeys(("stop", "sampling", "parity:served", "loss"), _SCORES)


def problems(recipe: Recipe) -> Iterable[Problem]:
    """What a recipe asks of a model that gives no answers, and what its trainer cannot do."""
    for key in (*asks(recipe), *(["evaluate.general"] if recipe.evaluate.general else [])):
        hint = "delete it; conch verify scores the held-out pairs"
        yield Problem(f"{key}: {_SCORES}", key, hint)
    for key in sorted({"runner", "convert"} & recipe.vllm.keys()):
        yield Problem(f"vllm.{key}: of a reward model Conch sets it", f"vllm.{key}", "delete it")
    stops = {"train.early_stopping": recipe.train.early_stopping, "train.plateau": recipe.train.plateau}
    for key in (key for key, given in stops.items() if given):
        what = f"{key}: LLaMA-Factory 0.9.5 keeps no checkpoint of a reward model to return to"
        yield Problem(what, key, "delete it, and set train.epochs or train.max_steps")


def train_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """LLaMA-Factory's stage."""
    return {"stage": "rm"}


def export_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """The stage again: without it the value head is left out of the export, without a word."""
    return {"stage": "rm"}
