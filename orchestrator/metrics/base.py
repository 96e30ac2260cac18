"""The protocol of a metric: how similar a text is to the expected one."""

from __future__ import annotations

from typing import Protocol


class Metric(Protocol):
    """A metric: a module, or an object."""

    @property
    def name(self) -> str:
        """Its name in recipes and reports."""

    def score(self, predict: str, label: str, /) -> float:
        """The score of one text, 0 (nothing in common) to 100 (the same)."""
