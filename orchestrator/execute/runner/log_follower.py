"""Follow a running command: report its steps and messages, count its rows, and notice that it hangs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.backends.symptoms import last_lines
from orchestrator.backends.trainer_log import TrainStep, read_examples, read_log_line, read_printed
from orchestrator.datasets.split import TRAIN
from orchestrator.errors import CheckFailed, Problem, StageFailed, TimedOut
from orchestrator.evaluation.curve import is_flat
from orchestrator.evaluation.trainer_metrics import WATCHED
from orchestrator.execute.processes.diagnosis import read_ends
from orchestrator.execute.processes.process import StopEarly
from orchestrator.execute.processes.progress import Progress
from orchestrator.plan.stage import Command, Runtime, Stage

# Marks a probe's messages to the user among its engine's output.
MARK = "conch: "
_LAST = 400
# The last lines of numbers that a trainer printed are within so many bytes.
_NUMBERS = 4096
# The trainer prints its number of rows before the first step, within this many bytes.
_START = 1 << 20
STALL_CHECK_SECONDS = 5.0


@dataclass(slots=True)
class Follower:
    """Reads the trainer's log, or a task's last message, at each tick."""

    folder: Path
    stage: Stage
    command: Command
    log: Path
    since: int
    progress: Progress
    offset: int = 0
    counted: bool = False
    ended_early: bool = False
    last: TrainStep | None = None
    watched: list[tuple[int, float]] = field(default_factory=list)

    def tick(self) -> None:
        """Report what is new.

        Raises:
            CheckFailed: training started with another number of rows than was prepared.
            StopEarly: the loss, or the kind's own metric, stands still and the stage ends a training then;
                raised once.
        """
        if self.stage.progress and self._steps():
            self._end_when_flat()
        if not self.offset:
            self.progress.now(self._last_message())

    @property
    def step(self) -> int:
        """The last step reported."""
        return self.last.step if self.last else 0

    def check_whole(self) -> None:
        """Reject a training that ended before its last step: told to end, a trainer saves and exits with 0.

        Raises:
            StageFailed: it ended early although nothing allowed it to.
        """
        if self.last is None or self.last.step >= self.last.total:
            return
        if self.ended_early or self.stage.may_end_early:
            return
        what = f"the training ended at step {self.last.step} of {self.last.total}, as if asked to stop"
        raise StageFailed(Problem(what, str(self.log), "run the same command again: it resumes from there"))

    def _steps(self) -> bool:
        """Report every new step; whether there was one."""
        try:
            with (self.folder / self.stage.progress).open("rb") as file:
                file.seek(self.offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return False
        self.offset += len(whole) + len(newline)
        lines = [read_log_line(line.decode("utf-8", "replace")) for line in whole.splitlines()]
        steps = [step for step in lines if step is not None]
        if steps:
            steps[-1] = replace(
                steps[-1], metrics={**read_printed(self._tail(_NUMBERS)), **steps[-1].metrics}
            )
        for step in steps:
            self.last = step
            metric = WATCHED.get(self.stage.plateau_by)
            value = step.metrics.get(metric.key) if metric else step.loss
            self.watched += [] if value is None else [(step.step, value)]
            self.progress.step(step)
            self._count()
        return bool(whole)

    def _end_when_flat(self) -> None:
        last = self.last
        if self.ended_early or last is None or last.step >= last.total:
            return
        metric = WATCHED.get(self.stage.plateau_by)
        if is_flat(self.watched, last.total, self.stage.plateau, rises=metric is not None):
            self.ended_early = True
            what = f'"{metric.name}" stopped rising' if metric else "The loss stopped falling"
            self.progress.say(f"      {what} at step {last.step}: saving and ending early.")
            raise StopEarly

    def _count(self) -> None:
        """Once, at the first step: compare the trainer's number of rows with what was prepared."""
        if self.counted:
            return
        self.counted = True
        prepared = self.folder / "data/prepare.json"
        if self.stage.repacks_rows or not (self.log.exists() and prepared.is_file()):
            return
        with self.log.open("rb") as file:
            file.seek(self.since)
            rows = read_examples(file.read(_START).decode("utf-8", "replace"))
        datasets = json.loads(prepared.read_bytes())["datasets"]
        expected = sum(each["rows"] for each in datasets if each.get("part") == TRAIN)
        if rows is not None and rows != expected:
            what = f"training started with {rows} rows, but {expected} were prepared: it was stopped"
            hint = "see which rows are missing (proof `rows` of `conch run`) and prepare the data again"
            raise CheckFailed(Problem(what, self.stage.name, hint))

    def _last_message(self) -> str:
        """The last line of a task's output; of an engine's output the last marked line."""
        lines = self._tail(_LAST).splitlines()
        if self.command.runtime is not Runtime.CONCH:
            lines = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
        return lines[-1] if lines else ""

    def _tail(self, size: int) -> str:
        """The end of this command's log."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            file.seek(max(self.since, file.seek(0, 2) - size))
            return file.read().decode("utf-8", "replace")


class StallWatch:
    """Notices that a training hangs: no output, no step and no written file for `limit` seconds (0: never).

    CPU time is no sign of life: a rank that waits for another one spins (NCCL). Saving and evaluating take a
    while without a step, but write files or draw a progress bar.
    """

    def __init__(self, log: Path, steps: Path, limit: float) -> None:
        self._log, self._folder, self._limit = log, steps.parent, limit
        self._sizes: list[tuple[str, int]] = []
        self._moved = self._checked = time.monotonic()

    def check(self) -> None:
        """Raise TimedOut when nothing has moved for too long; the caller stops the training."""
        now = time.monotonic()
        if not self._limit or now - self._checked < min(STALL_CHECK_SECONDS, self._limit / 4):
            return
        self._checked = now
        sizes = self._current_sizes()
        if sizes != self._sizes:
            self._sizes, self._moved = sizes, now
        elif now - self._moved > self._limit:
            what = f"the training hangs: no output, step or written file for {now - self._moved:.0f} s"
            tail = last_lines(read_ends(self._log), 8)
            hint = "run the same command again; raise train.stall_timeout if it was only slow"
            raise TimedOut(Problem(f"{what}\n{tail}", str(self._log), hint))

    def _current_sizes(self) -> list[tuple[str, int]]:
        """Sizes of its log, its files and its checkpoints' files."""
        sizes = []
        for path in (self._log, *self._folder.glob("*"), *self._folder.glob("checkpoint-*/*")):
            try:
                sizes.append((path.name, path.stat().st_size))
            except OSError:  # an old checkpoint that is being removed
                continue
        return sorted(sizes)
