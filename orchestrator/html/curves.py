"""Line charts in the units of an SVG view box, with axes and labeled ticks. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 26
MOST_POINTS = 500

# (x, y) of each point.
Points = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Tick:
    """A labeled position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Dot:
    """A point with its values as a tooltip."""

    x: float
    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series: the `points` of a polyline, and dots if there are few."""

    name: str
    points: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws, in the frame from (LEFT, TOP) to (WIDTH - RIGHT, HEIGHT - BOTTOM)."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def chart(series: Mapping[str, Points], *, from_zero: bool = False, dotted: int = 12) -> Chart | None:
    """The series over one pair of axes; None if none has a point to draw.

    Args:
        series: name → points, in order; points that are not finite are left out.
        from_zero: the vertical axis begins at 0.
        dotted: the largest number of points that get a dot each.
    """
    drawn = {name: _finite(points) for name, points in series.items()}
    drawn = {name: points for name, points in drawn.items() if points}
    if not drawn:
        return None
    xs = [x for points in drawn.values() for x, _ in points]
    ys = [y for points in drawn.values() for _, y in points]
    x_low, x_high = _apart(min(xs), max(xs))
    y_ticks = ticks(*_apart(min(0.0, *ys) if from_zero else min(ys), max(ys)))
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def across(x: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (x - x_low) / (x_high - x_low), 1)

    def down(y: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y_low) / (y_high - y_low), 1)

    lines = []
    for name, points in drawn.items():
        places = " ".join(f"{across(x)},{down(y)}" for x, y in thinned(points))
        shown = points if len(points) <= dotted else ()
        lines.append(Line(name, places, tuple(Dot(across(x), down(y), f"{x:g}: {y:.4g}") for x, y in shown)))
    inside = [one for one in ticks(x_low, x_high, most=5, whole=True) if x_low <= one <= x_high]
    return Chart(
        tuple(lines),
        tuple(Tick(across(one), f"{one:g}") for one in inside),
        tuple(Tick(down(one), label(one, y_ticks)) for one in y_ticks),
    )


def ticks(low: float, high: float, *, most: int = 5, whole: bool = False) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`, about `most` of them.

    >>> ticks(0.03, 5.96)
    [0.0, 2.0, 4.0, 6.0]
    """
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]


def label(value: float, among: Sequence[float]) -> str:
    """A tick's number, as precise as its axis needs.

    >>> label(0.0014, [0.0, 0.0007, 0.0014]), label(2.0, [0.0, 2.0]), label(1500000.0, [0.0, 1500000.0])
    ('1.4e-3', '2', '1.5e+6')
    """
    largest = max(abs(one) for one in among)
    if value and (largest < 0.01 or largest >= 1e5):  # noqa: PLR2004
        digits, _, power = f"{value:.3g}".partition("e")
        if not power:
            digits, _, power = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{power[0]}{power[1:].lstrip('0')}"
    return f"{value:.6g}"


def smoothed(points: Points) -> list[tuple[float, float]]:
    """Moving averages over about a tenth of the points; over fewer at the ends.

    >>> smoothed([(1, 4.0), (2, 1.0), (3, 1.0)])
    [(1, 4.0), (2, 2.0), (3, 1.0)]
    """
    finite = _finite(points)
    sums = [0.0]
    for _, y in finite:
        sums.append(sums[-1] + y)
    reach = max(2, len(finite) // 20)
    means = []
    for at, (x, _) in enumerate(finite):
        near = min(reach, at, len(finite) - 1 - at)
        means.append((x, (sums[at + near + 1] - sums[at - near]) / (2 * near + 1)))
    return means


def thinned(points: Points, most: int = MOST_POINTS) -> list[Sequence[float]]:
    """At most `most` of the points, evenly spread, with the first and the last."""
    if len(points) <= most:
        return list(points)
    return [points[round(place * (len(points) - 1) / (most - 1))] for place in range(most)]


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _apart(low: float, high: float) -> tuple[float, float]:
    """The same if they differ; else a little below and above."""
    if high > low:
        return low, high
    room = abs(low) / 10 or 1.0
    return low - room, high + room
