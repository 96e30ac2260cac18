"""A histogram as bars in the units of an SVG view box. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 120
GAP = 2
LEAST = 1.5


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its position and size, and the `count` of values from `low` to `high`."""

    x: float
    y: float
    width: float
    height: float
    low: int
    high: int
    count: int


def bars(bins: Sequence[tuple[int, int, int]]) -> list[Bar]:
    """A bar for each (low, high, count); a bar with a count is at least LEAST high."""
    most = max((count for *_, count in bins), default=0)
    step = WIDTH / max(1, len(bins))
    drawn = []
    for place, (low, high, count) in enumerate(bins):
        height = max(LEAST, HEIGHT * count / most) if count else 0.0
        drawn.append(
            Bar(
                x=round(place * step, 2),
                y=round(HEIGHT - height, 2),
                width=round(step - GAP, 2),
                height=round(height, 2),
                low=low,
                high=high,
                count=count,
            )
        )
    return drawn


def place_of(value: int, bins: Sequence[tuple[int, int, int]]) -> float | None:
    """The horizontal position of a value; None if no bar contains it."""
    step = WIDTH / max(1, len(bins))
    for place, (low, high, _) in enumerate(bins):
        if low <= value <= high:
            return round(step * (place + (value - low) / (high - low + 1)), 2)
    return None
