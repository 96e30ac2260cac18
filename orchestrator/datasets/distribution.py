"""Distributions: exact percentiles and a histogram, in memory for the different values only. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil

PERCENTILES = (5, 25, 50, 75, 90, 95, 99)
MOST_BINS = 24
# The last bin takes the rest: one row of a million characters would press all others into one bar.
BEYOND = 99.5


@dataclass
class Distribution:
    """Counts of whole numbers."""

    counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: int) -> None:
        """Count one more."""
        self.counts[value] += 1

    @property
    def total(self) -> int:
        """How many there are."""
        return self.counts.total()

    def percentile(self, percent: float) -> int:
        """The least value that at least so many per cent do not exceed; 0 if there are none.

        >>> Distribution(Counter({1: 98, 7: 1, 50: 1})).percentile(99)
        7
        """
        wanted, seen = ceil(self.total * percent / 100), 0
        for value, count in sorted(self.counts.items()):
            seen += count
            if seen >= wanted:
                return value
        return 0

    def above(self, limit: int) -> int:
        """How many exceed a limit."""
        return sum(count for value, count in self.counts.items() if value > limit)

    def histogram(self) -> list[dict[str, int]]:
        """Bins of one round width, {"from", "to", "count"}; the last one extends to the greatest value."""
        if not self.counts:
            return []
        least, most = min(self.counts), max(self.counts)
        width = _round_width(self.percentile(BEYOND) - least + 1)
        first = least // width
        last = min(MOST_BINS, most // width - first + 1) - 1
        bins = [
            {"from": (first + index) * width, "to": (first + index + 1) * width - 1, "count": 0}
            for index in range(last + 1)
        ]
        bins[-1]["to"] = max(bins[-1]["to"], most)
        for value, count in self.counts.items():
            bins[min(last, value // width - first)]["count"] += count
        return bins

    def to_json(self) -> dict[str, object]:
        """Everything; None for the mean, least and most of no values."""
        total = self.total
        mean = round(sum(value * count for value, count in self.counts.items()) / total, 1) if total else None
        percentiles = {str(percent): self.percentile(percent) for percent in PERCENTILES} if total else {}
        return {
            "count": total,
            "least": min(self.counts, default=None),
            "most": max(self.counts, default=None),
            "mean": mean,
            "percentiles": percentiles,
            "histogram": self.histogram(),
        }


def _round_width(span: int) -> int:
    """The least 1, 2 or 5 times a power of ten of which MOST_BINS cover the span."""
    width = 1
    while True:
        for step in (1, 2, 5):
            if width * step * (MOST_BINS - 1) >= span:
                return width * step
        width *= 10
