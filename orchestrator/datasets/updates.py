"""How long added rows are trained: the rule by which `conch data add` sets the epochs of its recipe. Pure.

    epochs = passes, or as many as make LEAST updates
    passes = TOKENS / tokens, but at most MOST_PASSES and at least LEAST_PASSES

Few rows are learnt by heart: every row is read MOST_PASSES times, and a handful of rows until the optimizer
made LEAST updates. Of more text than TOKENS / MOST_PASSES, each row is read less often. Learning rate and
batch size are those of the hardware profile. `make soak` measures the rule (tests/e2e/test_soak.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

LEAST = 40
MOST_PASSES, LEAST_PASSES = 16, 3
TOKENS = 320_000
# train.plateau: a training whose loss is flat over this share of the updates ends; of LEAST, over ten. Only
# with few rows: of 200, three of twenty answers were still wrong when the loss had become flat.
PLATEAU, MOST_FLAT_ROWS = 0.25, 100
# More updates than these would take hours without a GPU; a first trial there has TRIAL_STEPS.
MOST_ON_CPU = 400
TRIAL_STEPS = 60

MEASURED = (
    "Measured on the embedded base: of 5, 20 and 56 rows of facts, at least 90 % of 20 questions are",
    "answered; of 200 rows 85 %, with 225 updates. On other bases: not measured.",
)


@dataclass(frozen=True, slots=True)
class Updates:
    """The rule for some rows.

    Attributes:
        rows, tokens: of the training data; tokens are estimated.
        batch: examples per update.
    """

    rows: int
    tokens: int
    batch: int

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
        return max(ceil(self.passes), ceil(LEAST / self.per_epoch))

    @property
    def plateau(self) -> float:
        """train.plateau."""
        return PLATEAU if self.rows <= MOST_FLAT_ROWS else 0

    @property
    def updates(self) -> int:
        """Optimizer steps."""
        return self.epochs * self.per_epoch
