"""The losses and metrics of a training, read from its trainer_log.jsonl while that grows, and its state."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.backends.trainer_log import TrainStep, read_log_line, read_state
from orchestrator.execute.host.atomic_files import open_regular, read_regular


@dataclass(slots=True)
class Course:
    """Every loss so far, as (step, loss).

    A resumed training has logged some steps twice; the later ones count.

    Attributes:
        steps: every line, in order.
        metrics: of those in the log, by the trainer's names: (step, value).
        newest: the last line with a loss or a learning rate; a validation only if there is no other.
        written: time of the last write to the log, in seconds since 1970.
    """

    steps: list[TrainStep] = field(default_factory=list)
    losses: list[tuple[int, float]] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)
    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    newest: TrainStep | None = None
    written: float = 0.0
    _file: tuple[int, int] = (0, 0)
    _offset: int = 0

    def read(self, path: Path) -> None:
        """Read what is new in the log; an incomplete line is left for the next call."""
        try:
            with open_regular(path) as file:
                self._begin_anew_for(os.fstat(file.fileno()))
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            return
        self._offset += len(whole) + len(newline)
        for line in whole.splitlines():
            step = read_log_line(line.decode("utf-8", "replace"))
            if step is not None:
                self._add(step)

    def _begin_anew_for(self, status: os.stat_result) -> None:
        """Start over for another file of that name or a shorter one: it is of another training."""
        self.written = status.st_mtime
        this = (status.st_dev, status.st_ino)
        if this != self._file or status.st_size < self._offset:
            self.steps, self.losses, self.validations, self.newest = [], [], [], None
            self.metrics = {}
            self._file, self._offset = this, 0

    def _add(self, step: TrainStep) -> None:
        if self.steps and step.step < self.steps[-1].step:
            self.steps = [one for one in self.steps if one.step < step.step]
            self.losses = [one for one in self.losses if one[0] < step.step]
            self.validations = [one for one in self.validations if one[0] < step.step]
            for name, points in self.metrics.items():
                self.metrics[name] = [one for one in points if one[0] < step.step]
        self.steps.append(step)
        if step.loss is not None:
            self.losses.append((step.step, step.loss))
        if step.eval_loss is not None:
            self.validations.append((step.step, step.eval_loss))
        for name, value in step.metrics.items():
            self.metrics.setdefault(name, []).append((step.step, value))
        if self.newest is None or step.loss is not None or step.learning_rate is not None:
            self.newest = step


def measured_in(state: Path, course: Course) -> dict[str, list[tuple[int, float]]]:
    """Every metric of a finished training, from its trainer_state.json; without that, those in its log."""
    try:
        found = read_state(read_regular(state))
    except OSError:
        found = {}
    return found or dict(course.metrics)
