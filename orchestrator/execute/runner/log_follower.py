"""Follow what a running command leaves behind and tell the one who waits."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.backends.trainer_log import (
    TrainStep,
    may_end_early,
    read_examples,
    read_log_line,
    trains_each_row,
)
from orchestrator.datasets.split import TRAIN
from orchestrator.errors import CheckFailed, Problem, StageFailed
from orchestrator.evaluation.curve import is_flat
from orchestrator.execute.processes.process import StopEarly
from orchestrator.execute.processes.progress import Progress
from orchestrator.plan.stage import Command, Runtime, Stage

# What a probe says to the person who waits, among all that its engine says.
MARK = "conch: "
_LAST = 400
# So much of a trainer's log is looked through for its number of rows, which it prints before the first step.
_START = 1 << 20


@dataclass(slots=True)
class Follower:
    """Reads the trainer's log, or the last line of a task's own words, each time it is asked."""

    folder: Path
    stage: Stage
    command: Command
    log: Path
    since: int
    progress: Progress
    offset: int = 0
    counted: bool = False
    enough: bool = False
    last: TrainStep | None = None
    losses: list[tuple[int, float]] = field(default_factory=list)

    def tick(self) -> None:
        """Tell what is new.

        Raises:
            Refuted: training began with another number of rows than was prepared.
            Enough: its loss stands still, and the stage ends a training then; raised once.
        """
        if self.stage.progress and self._steps():
            self._end_when_flat()
        if not self.offset:
            self.progress.now(self._last_words() or label(self.command))

    def _steps(self) -> bool:
        """Tell every new step; whether there was one."""
        try:
            with (self.folder / self.stage.progress).open("rb") as file:
                file.seek(self.offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return False
        self.offset += len(whole) + len(newline)
        for line in whole.splitlines():
            step = read_log_line(line.decode("utf-8", "replace"))
            if step is not None:
                self.last = step
                self.losses += [] if step.loss is None else [(step.step, step.loss)]
                self.progress.step(step)
                self._count()
        return bool(whole)

    def _end_when_flat(self) -> None:
        last = self.last
        if self.enough or last is None or last.step >= last.total:
            return
        if is_flat(self.losses, last.total, self.stage.plateau):
            self.enough = True
            self.progress.say(f"      the loss stands still at step {last.step}: the training saves and ends")
            raise StopEarly

    @property
    def step(self) -> int:
        """The last one that was told."""
        return self.last.step if self.last else 0

    def check_whole(self) -> None:
        """A training that was asked to end saves, and ends well, before its last step: that is not its end.

        Raises:
            StageFailed: it ended early, and its settings did not let it.
        """
        if self.last is None or self.last.step >= self.last.total or self.enough:
            return
        if may_end_early(self._settings()):
            return
        what = f"the training ended at step {self.last.step} of {self.last.total}, as if it had been told to"
        raise StageFailed(Problem(what, str(self.log), "type the same command again: it goes on from there"))

    def _settings(self) -> str:
        return next((file.text for file in self.stage.files if file.path == "train.yaml"), "")

    def _count(self) -> None:
        """Once, at the first step: the rows that the trainer says it has against those that were prepared."""
        if self.counted:
            return
        self.counted = True
        prepared = self.folder / "data/prepare.json"
        if not (self.log.exists() and prepared.is_file() and trains_each_row(self._settings())):
            return
        with self.log.open("rb") as file:
            file.seek(self.since)
            rows = read_examples(file.read(_START).decode("utf-8", "replace"))
        told = json.loads(prepared.read_bytes())["datasets"]
        wanted = sum(each["rows"] for each in told if each.get("part") == TRAIN)
        if rows is not None and rows != wanted:
            what = f"training began with {rows} rows, and {wanted} were prepared: it was stopped"
            hint = "conch run says which rows are missing (proof `rows`); prepare the data again"
            raise CheckFailed(Problem(what, self.stage.name, hint))

    def _last_words(self) -> str:
        """The last line that a task of ours wrote; of an engine's chatter the last that bears our mark."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(self.since, size - _LAST))
            lines = file.read().decode("utf-8", "replace").splitlines()
        if self.command.place is not Runtime.CONCH:
            lines = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
        return lines[-1] if lines else ""


def label(command: Command) -> str:
    """What a person calls a command.

    >>> label(Command(("{train}/bin/llamafactory-cli", "train", "train.yaml"), Place.TRAIN))
    'llamafactory-cli train'
    >>> label(Command(("{serve}/bin/python", "{probes}/serving_ids.py", "--model"), Place.SERVE))
    'serving_ids'
    >>> label(Command(("{conch}/bin/python", "-m", "package.runner.task", "ask", "tasks/ask.json")))
    'ask'
    """
    program, *words = command.argv
    if words[:1] == ["-m"]:
        return words[2]
    if words and words[0].endswith(".py"):
        return Path(words[0]).stem
    return f"{Path(program).name} {words[0] if words else ''}".strip()
