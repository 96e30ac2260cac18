"""What the loop tells the person who waits. The shell draws it (cli/live.py); a test collects it."""

from __future__ import annotations

from typing import Protocol

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.results import StageResult


class Progress(Protocol):
    """The listener of a run."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        """A stage begins, and why it runs."""

    def now(self, text: str) -> None:
        """What happens at this moment; replaces what `now` said before."""

    def step(self, step: TrainStep) -> None:
        """The trainer logged a step."""

    def end(self, run: StageResult) -> None:
        """A stage ended."""
