"""The section `ppo`: reinforcement learning from a reward model. Defaults are LLaMA-Factory's 0.9.5."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orchestrator.recipe.fields import NAME_PATTERN, Number, Switch, TextField, Whole
from orchestrator.recipe.section import Section

_RECIPE = TextField("recipe:NAME", rf"^recipe:{NAME_PATTERN[1:-1]}$")


class Ppo(Section):
    """How a training of kind ppo answers and learns from the scores of its answers."""

    reward: Annotated[str, _RECIPE] | None = Field(
        None, description="recipe:NAME: the recipe of kind reward whose model scores the answers."
    )
    epochs: Annotated[int, Whole(least=1, most=1000)] = Field(
        4, description="Passes over each batch of answers."
    )
    buffer_size: Annotated[int, Whole(least=1, most=10000)] = Field(
        1, description="Batches that are answered before they are learned from."
    )
    target_kl: Annotated[float, Number(above=0, most=1000)] = Field(
        6.0, description="How far the model may move from its base, in nats; the penalty adapts to it."
    )
    score_norm: Annotated[bool, Switch()] = Field(False, description="Normalize the scores of each batch.")
    whiten_rewards: Annotated[bool, Switch()] = Field(
        False, description="Whiten the rewards before advantages are computed."
    )
    max_new_tokens: Annotated[int, Whole(least=1, most=65536)] = Field(
        1024, description="Longest answer in training, in tokens."
    )
    temperature: Annotated[float, Number(above=0, most=2)] = Field(
        0.95, description="Sampling temperature of the answers in training."
    )
    top_p: Annotated[float, Number(above=0, most=1)] = Field(0.7, description="Sampling: top-p in training.")
    top_k: Annotated[int, Whole(least=0, most=1000000)] = Field(
        50, description="Sampling: top-k in training; 0 for no limit."
    )
