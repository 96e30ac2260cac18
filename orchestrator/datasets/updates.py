"""How long added rows are trained: the rule by which `conch data add` sets the epochs of its recipe. Pure.

    epochs = passes, or as many as make LEAST updates
    passes = TOKENS / tokens, but at most MOST_PASSES and at least LEAST_PASSES

Few rows are learnt by heart: every row is read MOST_PASSES times, and a handful of rows until the optimizer
made LEAST updates. Of more text than TOKENS / MOST_PASSES, each row is read less often. Learning rate and
batch size are those of the hardware profile. `make soak` measures the rule (tests/e2e/test_soak.py).

The rule is for conversations: preferences and documents are read PASSES times, and a tenth is held out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from orchestrator.datasets.base import PT, SFT
from orchestrator.recipe import Recipe

LEAST = 40
MOST_PASSES, LEAST_PASSES = 16, 3
TOKENS = 320_000
# train.plateau: a training whose loss is flat over this share of the updates ends; of LEAST, over ten. Only
# with few rows: of 200, three of twenty answers were still wrong when the loss had become flat.
PLATEAU, MOST_FLAT_ROWS = 0.25, 100
# More updates than these would take hours without a GPU; a first trial there has TRIAL_STEPS.
MOST_ON_CPU = 400
TRIAL_STEPS = 60
# The passes of LLaMA-Factory's examples for preferences and documents; the share of so many rows to hold out.
PASSES = 3
HELD_OUT, FEWEST_HELD = 0.1, 20
# Documents are cut into blocks: as many at least, and none shorter.
FEWEST_BLOCKS, SHORTEST_BLOCK = 8, 16

MEASURED = (
    "Measured on the embedded base: of 5, 20, 56 and 200 rows of facts, all of 20 sampled questions were",
    "answered. On other bases: not measured.",
)


@dataclass(frozen=True, slots=True)
class Updates:
    """The rule for some rows.

    Attributes:
        rows, tokens: of the training data; tokens are estimated.
        batch: examples per update.
        given: passes over the rows, for a kind of training that the rule is not for; 0 for the rule.
    """

    rows: int
    tokens: int
    batch: int
    given: int = 0

    @property
    def passes(self) -> float:
        """How often each row should be read.

        >>> [round(Updates(rows, 40 * rows, 8).passes, 1) for rows in (5, 500, 1000, 100_000)]
        [16, 16, 8.0, 3]
        """
        return min(MOST_PASSES, max(LEAST_PASSES, TOKENS / max(1, self.tokens)))

    @property
    def per_epoch(self) -> int:
        """Updates of one pass over all rows."""
        return ceil(self.rows / self.batch)

    @property
    def epochs(self) -> int:
        """Passes over all rows, at least LEAST updates.

        >>> [Updates(rows, 40 * rows, 8).epochs for rows in (1, 5, 20, 56, 200, 1000)]
        [40, 40, 16, 16, 16, 8]
        """
        return self.given or max(ceil(self.passes), ceil(LEAST / self.per_epoch))

    @property
    def plateau(self) -> float:
        """train.plateau."""
        return PLATEAU if self.rows <= MOST_FLAT_ROWS and not self.given else 0

    @property
    def updates(self) -> int:
        """Optimizer steps."""
        return self.epochs * self.per_epoch


@dataclass(frozen=True, slots=True)
class Length:
    """How long some rows are trained: updates by profile, the share held out, and data.cutoff_len."""

    updates: Mapping[str, Updates]
    held_out: float
    cutoff: int


def length_of(purpose: str, rows: int, tokens: int, settings: Mapping[str, Recipe]) -> Length:
    """How long rows of a purpose are trained.

    Args:
        purpose: of the rows.
        rows: of the file.
        tokens: of the file, estimated.
        settings: the recipe that trains them, on each profile.
    """
    data = next(iter(settings.values())).data
    share = data.parts["train"] / sum(data.parts.values()) if data.parts else 1.0
    as_ever = purpose == SFT or data.parts or data.validation or rows < FEWEST_HELD
    held_out, cutoff = 0.0 if as_ever else HELD_OUT, data.cutoff_len
    trained = max(1, round((share - held_out) * min(rows, data.max_samples or rows)))
    tokens = round(tokens * trained / max(1, rows))
    if purpose == PT:
        fitting = 1 << max(1, tokens // FEWEST_BLOCKS).bit_length() - 1
        cutoff = min(cutoff, max(SHORTEST_BLOCK, fitting))
        trained = max(1, tokens // cutoff)
    given = 0 if purpose == SFT else PASSES
    batches = {name: one.train.batch_size * one.train.gradient_accumulation for name, one in settings.items()}
    updates = {name: Updates(trained, tokens, batch, given) for name, batch in batches.items()}
    return Length(updates, held_out, cutoff)
