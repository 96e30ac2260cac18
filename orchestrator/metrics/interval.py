"""How sure a rate or a mean is: Wilson's interval of a rate, the bootstrap's of a mean. Both of 95 %."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

Z = 1.959964
SEED = 42
DRAWS = 1000


def wilson(good: float, asked: int) -> tuple[float, float]:
    """The interval in which a rate of `good` of `asked` lies (Wilson 1927), each from 0 to 1.

    A tie may count as half of a good one.

    It is sensible also for few and for all or none, where the plain one has no width.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    >>> [round(end, 3) for end in wilson(5, 5)]
    [0.566, 1.0]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    if not asked:
        return 0.0, 1.0
    rate, square = good / asked, Z * Z
    middle = (rate + square / (2 * asked)) / (1 + square / asked)
    half = Z * math.sqrt(rate * (1 - rate) / asked + square / (4 * asked * asked)) / (1 + square / asked)
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap(values: Sequence[float], *, seed: int = SEED, draws: int = DRAWS) -> tuple[float, float]:
    """The interval in which the mean of such values lies, by drawing them anew; the same every time.

    >>> bootstrap([1.0, 1.0, 1.0])
    (1.0, 1.0)
    >>> low, high = bootstrap([0.0, 100.0] * 20)
    >>> 30 < low < 50 < high < 70
    True
    """
    if not values:
        return 0.0, 0.0
    drawn = random.Random(seed)  # noqa: S311  statistics, no secret
    means = sorted(sum(drawn.choices(values, k=len(values))) / len(values) for _ in range(draws))
    return means[int(0.025 * draws)], means[math.ceil(0.975 * draws) - 1]
