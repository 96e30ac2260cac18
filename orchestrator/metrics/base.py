"""The socket of a metric: how near a text is to the one that was expected."""

from __future__ import annotations

from typing import Protocol


class Metric(Protocol):
    """What a module in orchestrator/metrics offers."""

    name: str

    def score(self, predict: str, label: str, /) -> float:
        """0 (nothing in common) to 100 (the same), of one text; a mean over texts is the caller's work."""
