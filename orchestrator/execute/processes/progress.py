"""Progress of a run, as the loop reports it; drawn by cli/text/live.py."""

from __future__ import annotations

from typing import Protocol

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.results import StageResult


class Progress(Protocol):
    """Receives the progress of a run."""

    def say(self, text: str) -> None:
        """A permanent line."""

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        """A stage starts, for a reason."""

    def now(self, text: str) -> None:
        """What is happening at the moment; replaces the previous such line."""

    def step(self, step: TrainStep) -> None:
        """The trainer logged a step."""

    def end(self, run: StageResult) -> None:
        """A stage ended."""
