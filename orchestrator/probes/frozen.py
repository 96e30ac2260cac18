"""What a freeze training leaves as it is, by tensor: LLaMA-Factory 0.9.5, model/adapter.py. Pure.

The last layers are trained, the first ones, or with LLaMA Pro the new blocks; of these all modules or some;
and extra modules outside the layers. Everything else must come out as it went in. The new blocks of LLaMA Pro
are copies of the last one of each group: every (layers/blocks)th of the expanded model is trained.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tokens import Row

LAYER = re.compile(r"(.*\blayers\.)(\d+)(\..*)")


@dataclass(frozen=True)
class Frozen:
    """Which tensors of an export are the base's.

    Attributes:
        trained: parts of the names of trained tensors; None if all are.
        layers: of the base. blocks: new ones.
    """

    trained: tuple[str, ...] | None = None
    layers: int = 0
    blocks: int = 0

    @staticmethod
    def of(method: str, settings: str, base: Path, export: Path) -> Frozen:
        """What the settings of a training freeze."""
        if method != "freeze" or not settings:
            return Frozen()
        import yaml

        said: Row = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
        layers, now = layers_of(base), layers_of(export)
        number = int(said.get("freeze_trainable_layers", 2))
        pro = bool(said.get("use_llama_pro"))
        if pro:
            chosen = [place for place in range(now) if is_new(place, layers, number)]
        else:
            chosen = [*range(max(0, now - number), now)] if number > 0 else [*range(min(-number, now))]
        modules = _split(said.get("freeze_trainable_modules", "all"))
        parts = [f".{layer}.{'' if name == 'all' else name}" for name in modules for layer in chosen]
        extra = _split(said.get("freeze_extra_modules"))
        return Frozen((*parts, *extra), layers, number if pro else 0)

    def stays(self, name: str) -> bool:
        """Whether a tensor of the export must be the base's."""
        return self.trained is not None and not any(part in name for part in self.trained)

    def source(self, name: str) -> str:
        """The base's name of a tensor of the export."""
        found = LAYER.fullmatch(name)
        if not found or not self.blocks:
            return name
        places = sources(self.layers, self.blocks)
        place = int(found[2])
        return renamed(name, places[place]) if place < len(places) else name


def layers_of(folder: Path) -> int:
    """How many layers a model's configuration says that it has; 0 if it does not say."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return int(config.get("num_hidden_layers") or 0)
    except (OSError, ValueError, AttributeError):
        return 0


def _split(text: object) -> list[str]:
    return [part.strip() for part in str(text or "").split(",") if part.strip()]


def sources(layers: int, blocks: int) -> list[int]:
    """For each block of the expanded model the base's block that it is, or is a copy of.

    >>> sources(4, 2)
    [0, 1, 1, 2, 3, 3]
    """
    group = layers // blocks
    return [layer for layer in range(layers) for _ in range(1 + (layer % group == group - 1))]


def is_new(place: int, layers: int, blocks: int) -> bool:
    """Whether the block at a place of the expanded model is a new one.

    >>> [is_new(place, 4, 2) for place in range(6)]
    [False, False, True, False, False, True]
    """
    return place % (layers // blocks + 1) == layers // blocks


def renamed(name: str, place: int) -> str:
    """A tensor's name with another block.

    >>> renamed("model.layers.3.mlp.up_proj.weight", 4)
    'model.layers.4.mlp.up_proj.weight'
    """
    return LAYER.sub(rf"\g<1>{place}\g<3>", name)
