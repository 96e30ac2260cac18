"""95 % confidence intervals: Wilson's for a rate, the bootstrap's for a mean or another statistic."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

Z = 1.959964
SEED = 42
DRAWS = 1000

Value = TypeVar("Value")


def wilson(good: float, total: int) -> tuple[float, float]:
    """The interval of the rate `good` / `total` (Wilson 1927), each end from 0 to 1.

    It is sensible for few samples too, and for all or none, where the normal interval has no width. In `good`
    a tie may count as a half.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    >>> [round(end, 3) for end in wilson(5, 5)]
    [0.566, 1.0]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    if not total:
        return 0.0, 1.0
    rate, square = good / total, Z * Z
    middle = (rate + square / (2 * total)) / (1 + square / total)
    half = Z * math.sqrt(rate * (1 - rate) / total + square / (4 * total * total)) / (1 + square / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """The interval of the mean of values; the same every time.

    >>> bootstrap([1.0, 1.0, 1.0])
    (1.0, 1.0)
    >>> low, high = bootstrap([0.0, 100.0] * 20)
    >>> 30 < low < 50 < high < 70
    True
    """
    return resampled(values, lambda drawn: sum(drawn) / len(drawn)) if values else (0.0, 0.0)


def resampled(values: Sequence[Value], statistic: Callable[[Sequence[Value]], float]) -> tuple[float, float]:
    """The bootstrap interval of a statistic: computed on DRAWS resamples of the values, seeded."""
    chance = random.Random(SEED)  # noqa: S311  statistics, no secret
    found = sorted(statistic(chance.choices(values, k=len(values))) for _ in range(DRAWS))
    return found[int(0.025 * DRAWS)], found[math.ceil(0.975 * DRAWS) - 1]
