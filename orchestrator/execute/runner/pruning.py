"""A Progress that ends a training which goes worse than half of those before it."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.errors import CheckFailed, Problem
from orchestrator.evaluation.trials import Trial, should_prune
from orchestrator.execute.processes.progress import Progress
from orchestrator.results import StageResult


class Pruning:
    """Passes everything on; looks at each loss of a training, of its validation where there is one.

    Attributes:
        losses: step → loss so far.
        pruned: whether the training was ended.
    """

    def __init__(self, progress: Progress, history: Sequence[Trial]) -> None:
        self._progress, self._history = progress, history
        self.losses: dict[int, float] = {}
        self.pruned = False
        self._validated = False

    def say(self, text: str) -> None:
        """A line that stays."""
        self._progress.say(text)

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        """A stage begins."""
        self._progress.start(number, total, stage, reason)

    def now(self, text: str) -> None:
        """What happens at this moment."""
        self._progress.now(text)

    def end(self, run: StageResult) -> None:
        """A stage ended."""
        self._progress.end(run)

    def step(self, step: TrainStep) -> None:
        """The trainer logged a step.

        Raises:
            Refuted: the training goes worse than half of the earlier trials did at this step.
        """
        self._progress.step(step)
        if step.eval_loss is not None and not self._validated:
            self.losses, self._validated = {}, True
        loss = step.eval_loss if self._validated else step.loss
        if loss is None or self.pruned:
            return
        self.losses[step.step] = loss
        if self._history and should_prune(self._history, self.losses):
            self.pruned = True
            raise CheckFailed(
                Problem(f"ended at step {step.step}: the loss is worse than half of the trials had")
            )
