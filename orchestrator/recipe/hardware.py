"""Hardware profiles: the defaults of `train` that depend on the machine. A recipe overrides each of them.

To change a default on one kind of machine, edit its line here; nothing else repeats it. Below this the
defaults of sections.py apply, above it the recipe's files.
"""

from dataclasses import asdict, dataclass

from orchestrator.recipe.tree import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareProfile:
    """Defaults of one kind of machine; `compute_type` is what `train.compute_type: auto` means there."""

    compute_type: str
    learning_rate: float
    batch_size: int
    gradient_accumulation: int
    gradient_checkpointing: bool


PROFILES: dict[str, HardwareProfile] = {
    "cpu": HardwareProfile(
        compute_type="fp32",  # bf16 is very slow on a CPU without AMX
        learning_rate=1.5e-3,
        batch_size=8,
        gradient_accumulation=1,
        gradient_checkpointing=False,
    ),
    "cuda": HardwareProfile(
        compute_type="bf16",
        learning_rate=2e-4,
        batch_size=4,
        gradient_accumulation=2,
        gradient_checkpointing=True,
    ),
}


def defaults_of(profile: str) -> Node:
    """A profile's defaults as the lowest layer of a recipe; like other defaults they have no position."""
    values = {key: value for key, value in asdict(PROFILES[profile]).items() if key != "compute_type"}
    return Node({"train": Node({key: Node(value, "") for key, value in values.items()}, "")}, "")
