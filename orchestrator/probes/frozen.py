"""What a freeze training leaves as it is, by tensor: LLaMA-Factory 0.9.5, model/adapter.py. Pure.

The last layers are trained, the first ones, or with LLaMA Pro the new blocks; of these all modules or some;
and extra modules outside the layers. Everything else must come out as it went in.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from blocks import LAYER, is_new, renamed, sources
from tokens import Row


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
