"""ppo: proximal policy optimization. The model answers prompts, a reward model scores the answers.

The prompts are those of conversations; their answers are not learned from. The reference is the base model
with the adapter switched off, the reward model another recipe's export (`ppo.reward: recipe:NAME`), loaded
whole beside it (reward_model_type: full). It is trained in an environment of its own.
Facts of LLaMA-Factory 0.9.5 (train/ppo/): it takes no validation rows, resumes from nothing, and follows
save_steps whatever save_strategy says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.datasets.base import SFT
from orchestrator.errors import Problem
from orchestrator.recipe import Recipe

purpose = SFT
scores = False
resumes = False
omitted_stages: frozenset[str] = frozenset()
proofs: tuple[str, ...] = ("environment", "reward:gain")
unproven: Mapping[str, str] = {}
preference: frozenset[str] = frozenset()
# The base and the reward model as the older transformers reads them (execute/models/older_folder.py).
OLDER = "inputs/ppo"
_NEVER = 1_000_000_000


def problems(recipe: Recipe) -> Iterable[Problem]:
    """A reward model and held-out prompts that are missing, and what the trainer cannot do."""
    if recipe.ppo.reward is None:
        hint = "name the recipe of kind reward that scores the answers, e.g. ppo: {reward: recipe:my_reward}"
        yield Problem("ppo.reward: no reward model is named", "ppo.reward", hint)
    if recipe.train.method != "lora":
        what = f"train.method: {recipe.train.method}: LLaMA-Factory 0.9.5 saves no PPO training but lora's"
        yield Problem(what, "train.method", "set train.method: lora")
    if recipe.evaluate.split == "none" or not recipe.evaluate.base:
        key = "evaluate.split" if recipe.evaluate.split == "none" else "evaluate.base"
        what = f"{key}: the result of ppo is the mean reward of held-out prompts, before and after"
        yield Problem(
            what, key, "set evaluate: {split: test, base: true}, and data.split: {train: 4, test: 1}"
        )
    data, train = recipe.data, recipe.train
    unable = {
        "data.validation": bool(data.validation) or "validation" in (data.split or {}),
        "data.validation_share": data.validation_share > 0,
        "train.early_stopping": train.early_stopping is not None,
        "train.plateau": train.plateau > 0,
        "train.save_steps": bool(train.save_steps),
    }
    for key in (key for key, given in unable.items() if given):
        what = f"{key}: LLaMA-Factory's PPO measures no validation rows and resumes from no checkpoint"
        yield Problem(what, key, "delete it; hold prompts out with data.split: {train: 4, test: 1}")


def train_settings(recipe: Recipe) -> Mapping[str, object]:
    """LLaMA-Factory's stage, the models in the words of its transformers, and how answers are sampled."""
    chosen = recipe.ppo
    return {
        "model_name_or_path": f"{OLDER}/base",
        "stage": "ppo",
        "reward_model": f"{OLDER}/reward",
        "reward_model_type": "full",
        "ppo_epochs": chosen.epochs,
        "ppo_buffer_size": chosen.buffer_size,
        "ppo_target": chosen.target_kl,
        "ppo_score_norm": chosen.score_norm or None,
        "ppo_whiten_rewards": chosen.whiten_rewards or None,
        "max_new_tokens": chosen.max_new_tokens,
        "temperature": chosen.temperature,
        "top_p": chosen.top_p,
        "top_k": chosen.top_k,
        "save_steps": _NEVER,
    }


def export_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """None: the export is the trained model, whole; the critic's value head is not part of it."""
    return {}
