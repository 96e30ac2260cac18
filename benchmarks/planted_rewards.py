"""The faults of planted_faults.py in a run of a reward model, the recipe conch_reward on the embedded base.

Those with `live` need the server that `conch prove` starts of the files as they then are; the others show
without one, and tests/probes/test_reward_scores.py has the same rows on small weights.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.planted_run import PARITY, Planted, RunFault, _read, tensors

HEAD, VALUE_HEAD = "export/score.safetensors", "adapter/value_head.safetensors"
INDEX, CONFIG = "export/model.safetensors.index.json", "export/config.json"
ASSISTANT = "{{- '<｜Assistant｜>"


@dataclass(frozen=True, slots=True)
class RewardFault(RunFault):
    """A fault in a reward model's run; `live` if it shows on a server alone."""

    recipe: str = "conch_reward"
    live: bool = False


def _head(change: Callable[[array[float], array[float]], None]) -> Callable[[Planted], None]:
    """Change weight and bias of the exported head."""

    def plant(planted: Planted) -> None:
        path = planted.run / HEAD
        spans = tensors(path)
        values = {name: array("f", _read(path, span)) for name, span in spans.items()}
        change(values["score.weight"], values["score.bias"])
        planted.patch(path, {spans[name][0]: one.tobytes() for name, one in values.items()})

    return plant


def _other(weight: array[float], _bias: array[float]) -> None:
    weight.reverse()


def _negated(weight: array[float], bias: array[float]) -> None:
    for values in (weight, bias):
        values[:] = array("f", [-one for one in values])


def _another_bias(_weight: array[float], bias: array[float]) -> None:
    bias[0] += 0.5


def _lost(planted: Planted) -> None:
    """As an export without `stage: rm`: no head, and an index that promises none."""
    planted.aside(planted.run / HEAD)
    index = json.loads((planted.run / INDEX).read_text(encoding="utf-8"))
    shards = {name: file for name, file in index["weight_map"].items() if file != Path(HEAD).name}
    planted.values(INDEX, weight_map=shards)


def _untrained(planted: Planted) -> None:
    planted.aside(planted.run / VALUE_HEAD)


def _swapped(planted: Planted) -> None:
    """Chosen and rejected change places in what the trainer reads."""
    path = "data/dataset_info.json"
    info = json.loads((planted.run / path).read_text(encoding="utf-8"))
    for entry in info.values():
        columns = entry.get("columns", {})
        if "chosen" in columns:
            columns |= {"chosen": columns["rejected"], "rejected": columns["chosen"]}
    planted.values(path, **info)


def _squashed(planted: Planted) -> None:
    planted.values(CONFIG, problem_type="single_label_classification")


def _template(planted: Planted) -> None:
    planted.text("chat_template.jinja", (ASSISTANT, ASSISTANT + " "))


REWARD_FAULTS = (
    RewardFault(
        "value-head-lost-in-export", _lost, "merge", ("the export lacks the head", "at random"), ("hashes",)
    ),
    RewardFault(
        "head-of-another-adapter", _head(_other), "merge", ("not the one that was trained with this adapter",)
    ),
    RewardFault("head-negated", _head(_negated), "merge", ("not the one that was trained",)),
    RewardFault(
        "head-never-trained", _untrained, "merge", ("the adapter was trained without one",), ("hashes",)
    ),
    RewardFault("score-squashed", _squashed, "reward", ("squashed by a sigmoid", "problem_type"), live=True),
    RewardFault(
        "score-bias-changed",
        _head(_another_bias),
        "reward",
        ("all by the same 0.5", "score.bias"),
        ("merge",),
        live=True,
    ),
    RewardFault(
        "chosen-and-rejected-swapped",
        _swapped,
        "reward:accuracy",
        ("worse than chance",),
        ("reward", "rows", *PARITY),
        live=True,
    ),
    RewardFault(
        "scored-with-another-template",
        _template,
        "reward",
        ("reads a client's messages as another text",),
        ("hashes", *PARITY),
        live=True,
    ),
)
