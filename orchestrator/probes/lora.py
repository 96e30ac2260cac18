"""A LoRA adapter's updates by the tensor that they are merged into. Needs torch.

An update of a linear layer is scale · B·A, transposed where the layer keeps its weight as (in, out);
of an embedding it is scale · (B·A)ᵀ. scale is alpha/r, with rslora alpha/√r, alpha and r those of the module
(peft 0.18, tuners/lora/layer.py). With DoRA the sum of weight and update is then brought to the length that
is trained for each row: m · (W + E) / ‖W + E‖ (tuners/lora/dora.py). Covered too: biases of lora_B, tensors
that are saved whole (modules_to_save, biases, embeddings). Not covered, and named: other variants, DoRA of
embeddings, trainable tokens, convolutions. An adapter that changes the base weights when it begins (PiSSA and
its like) is no adapter of this base: `begun` names it.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tokens import Row
from weights import Stretch, Weights

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "base_model.model."
PART = re.compile(r"(.*)\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B)(\.weight)?\Z")
MAGNITUDE = re.compile(r"(.*)\.lora_magnitude_vector(\.weight)?\Z")
VARIANTS = ("use_qalora", "arrow_config", "alora_invocation_tokens")
CHANGING = ("pissa", "olora", "corda", "loftq", "lora_ga")
HEADS = ("lm_head.weight", "embed_out.weight")
TABLES = ("embed_tokens.weight", "wte.weight", "word_embeddings.weight", "embed_in.weight")


@dataclass(frozen=True)
class Update:
    """What is added to one tensor: the keys of A and B in the adapter, their scale, and DoRA's magnitude."""

    module: str
    a: str
    b: str
    rank: int
    alpha: float
    scale: float
    transposed: bool
    magnitude: str = ""
    rslora: bool = False

    def rows(
        self, weights: Weights, stretches: list[Stretch], *, ranks: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """(the update, the sum of its terms' magnitudes) for those rows of the tensor, in float64.

        `ranks`: only of the first so many rows of A.
        """
        import torch

        a, b = weights.read(self.a)[:ranks].double(), weights.read(self.b)[:, :ranks].double()
        left, right = (a.T, b.T) if self.transposed else (b, a)
        left = torch.cat([left[start:end] for start, end in stretches])
        return left @ right * self.scale, left.abs() @ right.abs() * abs(self.scale)

    def turned(
        self, weights: Weights, stretches: list[Stretch], before: Tensor, both: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The update under DoRA: what the magnitude makes of weight and update, less the weight."""
        import torch

        update, terms = both
        whole = weights.read(self.magnitude).double().reshape(-1, 1)
        magnitude = torch.cat([whole[start:end] for start, end in stretches])
        factor = magnitude / (before + update).norm(dim=1, keepdim=True)
        merged = factor * (before + update)
        # The norm is a sum over the row, in the dtype of the weights' product.
        rounding = (merged.shape[1] + 8) * merged.abs() / (self.rank + 4)
        return merged - before, terms * factor.abs() + rounding


@dataclass
class LoraWeights:
    """Everything that an adapter does to a model's tensors.

    Attributes:
        updates: tensor → what is added to it. biases: tensor → (key, scale).
        replaced: tensor → key of the whole tensor that takes its place.
        uncovered: tensor → why its merge is not checked.
        begun: how the adapter changed the base weights when it began; "" if it did not.
        unmatched: modules that no tensor of the base belongs to.
        silent: modules whose update is zero whatever it is merged into.
    """

    weights: Weights
    updates: dict[str, list[Update]] = field(default_factory=dict)
    biases: dict[str, tuple[str, float]] = field(default_factory=dict)
    replaced: dict[str, str] = field(default_factory=dict)
    uncovered: dict[str, str] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    modules: int = 0
    begun: str = ""
    magnitudes: dict[str, str] = field(default_factory=dict)


def read_adapter(folder: Path, base: Weights) -> LoraWeights:
    """The adapter of a folder; what cannot be read of it is among its weights' problems."""
    adapter = LoraWeights(Weights(folder))
    path = folder / "adapter_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        _ = config["r"], config["lora_alpha"]
    except (OSError, ValueError, KeyError, TypeError):
        adapter.weights.problems.append({"file": str(path), "what": "is missing or cannot be read"})
        return adapter
    pairs: dict[str, dict[str, str]] = {}
    config["variant"] = _variant(config)
    begin = config.get("init_lora_weights")
    adapter.begun = begin if isinstance(begin, str) and begin.startswith(CHANGING) else ""
    for key in adapter.weights.files:
        name = key.removeprefix(PREFIX)
        found = PART.match(name)
        if found:
            pairs.setdefault(found[1], {})[found[2][-1]] = key
        elif magnitude := MAGNITUDE.match(name):
            adapter.magnitudes[magnitude[1]] = key
        elif name.endswith(".lora_B.bias"):
            _bias(adapter, config, name.removesuffix(".lora_B.bias"), key, base)
        elif ".original_module." in name:
            continue
        elif "lora_" in name or "trainable_tokens" in name:
            config["variant"] = config["variant"] or name.rsplit(".", 1)[-1]
        else:
            # Of a larger vocabulary peft keeps what was there before too, and what is saved twice.
            whole = name.replace(".base_layer.", ".").replace(".modules_to_save.", ".")
            adapter.replaced.setdefault(base.named(whole) or whole, key)
    for module, parts in sorted(pairs.items()):
        _add(adapter, config, module, parts, base)
    return adapter


def _variant(config: Row) -> str:
    """What makes the merge another formula than LoRA's; "" for plain LoRA."""
    if config.get("peft_type", "LORA") != "LORA":
        return str(config["peft_type"])
    return next((flag for flag in VARIANTS if config.get(flag)), "")


def _add(adapter: LoraWeights, config: Row, module: str, parts: dict[str, str], base: Weights) -> None:
    """One module's update, under the tensor that it is merged into."""
    adapter.modules += 1
    tensor = _tensor(f"{module}.weight", base)
    if not tensor:
        adapter.unmatched.append(module)
        return
    if config["variant"] or set(parts) != {"A", "B"}:
        adapter.uncovered[tensor] = config["variant"] or "half of its update is missing"
        return
    a, b = (adapter.weights.shapes[parts[part]] for part in "AB")
    shape = base.shapes[tensor]
    straight, across = (b[0], a[-1]), (a[-1], b[0])
    if len(a) != 2 or len(shape) != 2 or shape not in (straight, across):  # noqa: PLR2004
        adapter.uncovered[tensor] = f"an update of shape {straight} on a weight of shape {shape}"
        return
    flag = bool(config.get("fan_in_fan_out")) or "lora_embedding" in parts["A"]
    transposed = flag if straight == across else shape == across
    rank, alpha = a[0], float(_of_module(config.get("alpha_pattern"), module, config["lora_alpha"]))
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    magnitude = adapter.magnitudes.get(module, "")
    if config.get("use_dora") and (why := _no_dora(adapter, magnitude, shape, transposed=transposed)):
        adapter.uncovered[tensor] = why
        return
    update = Update(
        module,
        parts["A"],
        parts["B"],
        rank,
        alpha,
        scale,
        transposed,
        magnitude,
        bool(config.get("use_rslora")),
    )
    adapter.updates.setdefault(tensor, []).append(update)
    if not magnitude and not all(adapter.weights.read(parts[part]).any() for part in "AB"):
        adapter.silent.append(module)


def _no_dora(adapter: LoraWeights, magnitude: str, shape: tuple[int, ...], *, transposed: bool) -> str:
    """Why DoRA's merge into a tensor is not checked; "" if it is."""
    if not magnitude:
        return "the magnitude of its update is missing"
    if transposed:
        return "DoRA of an embedding"
    (rows,) = adapter.weights.shapes[magnitude][:1]
    return "" if rows == shape[0] else f"a magnitude of {rows} rows on a weight of shape {shape}"


def _bias(adapter: LoraWeights, config: Row, module: str, key: str, base: Weights) -> None:
    """lora_bias: B's own bias, scaled, is added to the layer's."""
    tensor = _tensor(f"{module}.bias", base)
    rank = _of_module(config.get("rank_pattern"), module, config["r"])
    alpha = float(_of_module(config.get("alpha_pattern"), module, config["lora_alpha"]))
    if tensor:
        adapter.biases[tensor] = (key, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))
    else:
        adapter.unmatched.append(f"{module}.bias")


def _of_module(pattern: dict[str, int] | None, module: str, default: int) -> int:
    """As get_pattern_key of peft does: the first pattern that ends the module's path."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})\Z", module):
            return value
    return default


def _tensor(name: str, base: Weights) -> str:
    """The base's tensor of that name; of a tied head that is not stored, the table that it is tied to."""
    return base.named(name) or tied_to(name, base)


def tied_to(name: str, weights: Weights) -> str:
    """The stored tensor that stands for a tied one which is not; "" when there is none."""
    others = TABLES if name.endswith(HEADS) else HEADS if name.endswith(TABLES) else ()
    return next((each for each in weights.files if others and each.endswith(others)), "")
