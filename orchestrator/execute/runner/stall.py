"""A training that hangs: whether it still says anything, takes a step or writes a file.

Processor time is no sign: a rank that waits for another for ever spins (NCCL). Saving and evaluating take a
while without a step, but write files or draw a bar.
"""

from __future__ import annotations

import time
from pathlib import Path

from orchestrator.backends.symptoms import last_lines
from orchestrator.errors import Problem, TimedOut
from orchestrator.execute.processes.diagnosis import read_ends

LOOKED_EVERY = 5.0


class StallWatch:
    """Asked a few times a second while a training runs.

    Args:
        log: what it prints. steps: its trainer_log.jsonl, in the folder that it writes to.
        limit: seconds of silence after which it counts as hung; 0 for never.
    """

    def __init__(self, log: Path, steps: Path, limit: float) -> None:
        self._log, self._folder, self._limit = log, steps.parent, limit
        self._seen: object = None
        self._moved = self._looked = time.monotonic()

    def check(self) -> None:
        """Look whether anything moved.

        Raises:
            TimedOut: nothing did for too long; the caller stops the training.
        """
        now = time.monotonic()
        if not self._limit or now - self._looked < min(LOOKED_EVERY, self._limit / 4):
            return
        self._looked = now
        seen = self._signs()
        if seen != self._seen:
            self._seen, self._moved = seen, now
        elif now - self._moved > self._limit:
            what = f"the training hangs: no word, no step and no written file for {now - self._moved:.0f} s"
            tail = last_lines(read_ends(self._log), 8)
            hint = "type the same command again; raise train.stall_timeout if it was only slow"
            raise TimedOut(Problem(f"{what}\n{tail}", str(self._log), hint))

    def _signs(self) -> object:
        """What changes while it works: the sizes of its log, its files and its checkpoints' files."""
        sizes = []
        for path in (self._log, *self._folder.glob("*"), *self._folder.glob("checkpoint-*/*")):
            try:
                sizes.append((path.name, path.stat().st_size))
            except OSError:  # an old checkpoint that is being removed
                continue
        return sorted(sizes)
