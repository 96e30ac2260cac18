"""pretrain: continued pre-training. Documents go in, a model that continues such texts comes out.

Documents are joined and cut into blocks of `data.cutoff_len` tokens. The export is served for its proofs, and
for questions of general knowledge; the recipe's own questions it is not asked: it has learned texts, not
answers. Build an sft recipe on it (`model.base: recipe:NAME`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from orchestrator.datasets.base import PT
from orchestrator.errors import Problem
from orchestrator.plan.kinds.base import asks
from orchestrator.recipe import Recipe

purpose = PT
scores = False
resumes = True
omitted_stages = frozenset({"ask_base", "evaluate_base", "ask", "evaluate", "judge", "target"})
proofs: tuple[str, ...] = ("perplexity",)
# The proofs of prompts and answers.
_OF_CHATS = ("parity:data", "truncation", "parity:export", "stop", "parity:served", "sampling")
unproven: Mapping[str, str] = dict.fromkeys(
    _OF_CHATS, "documents are trained, which no chat template renders"
)
preference: frozenset[str] = frozenset()


def problems(recipe: Recipe) -> Iterable[Problem]:
    """What a recipe asks of a model that answers no questions."""
    for key in asks(recipe):
        what = f"{key}: a pretrain recipe learns texts and is asked no questions"
        hint = "move it to an sft recipe that is built on this one: model.base: recipe:" + recipe.name
        yield Problem(what, key, hint)


def train_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """LLaMA-Factory's stage; packing is its default for it, written out because Conch depends on it."""
    return {"stage": "pt", "packing": True}


def export_settings(recipe: Recipe) -> Mapping[str, object]:  # noqa: ARG001  the same for every recipe
    """None: the export is the trained model, whole."""
    return {}
