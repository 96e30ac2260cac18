"""The progress of a run on a terminal: one live line while something works, one that stays for each stage.

On a pipe or a CI log the live line becomes an ordinary line now and then.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from typing import TextIO

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.cli.text.terminal import one_line
from orchestrator.results import StageResult, Status

_MARKS = {
    Status.DONE: "✓",
    Status.SKIPPED: "·",
    Status.REFUTED: "✗",
    Status.FAILED: "✗",
    Status.INTERRUPTED: "!",
}
_QUIET_SECONDS = 15.0
_BAR = 24


class TerminalProgress:
    """Draws on standard error; standard output stays the result's alone."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._moving = (
            self._stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        )
        self._losses: list[float] = []
        self._printed_at = 0.0
        self._stage = ""
        self._began = time.monotonic()
        self._shown = 0

    def say(self, text: str) -> None:
        """A line that stays."""
        self._clear()
        self._write(text + "\n")

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        """A stage begins."""
        self._stage, self._began, self._printed_at = stage, time.monotonic(), 0.0
        self.say(f"[{number}/{total}] {stage}: {reason}")

    def now(self, text: str) -> None:
        """The live line; on a pipe at most one every 15 seconds."""
        seconds = time.monotonic() - self._began
        self._show(f"      {one_line(text)}  {seconds:.0f}s")

    def step(self, step: TrainStep) -> None:
        """Step, loss, rate and time left, as one line."""
        if step.loss is not None:
            self._losses.append(step.loss)
        self._show("      " + step_line(step, self._losses))

    def end(self, run: StageResult) -> None:
        """A stage ended: its mark, its time; after training, the loss curve."""
        self._clear()
        took = f" in {run.seconds:.1f}s" if run.status is not Status.SKIPPED else ""
        detail = f": {one_line(run.reason)}" if run.reason else ""
        self._write(f"  {_MARKS.get(run.status, '?')} {run.stage} {run.status}{took}{detail}\n")
        if run.stage == "train" and len(self._losses) > 1:
            self._write(loss_curve(self._losses) + "\n")

    def _show(self, line: str) -> None:
        if self._moving:
            width = shutil.get_terminal_size().columns - 1
            self._clear()
            self._write(line[:width])
            self._shown = 1
        elif time.monotonic() - self._printed_at > _QUIET_SECONDS:
            self._printed_at = time.monotonic()
            self._write(line + "\n")

    def _clear(self) -> None:
        if self._shown:
            self._write("\r\x1b[2K")
            self._shown = 0

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        # A training goes on when nobody watches it any more (`conch run 2>&1 | head`).
        with suppress(OSError):
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()


def step_line(step: TrainStep, losses: list[float]) -> str:
    """One line: bar, step, loss with its recent course, learning rate, time left.

    >>> step_line(TrainStep(step=5, total=10, loss=0.5, learning_rate=1e-3, remaining="0:00:20"), [1.0, 0.5])
    '████████████············ 5/10  loss 0.5000 █▁  rate 1.0e-03  left 0:00:20'
    """
    done = max(0, min(_BAR, round(_BAR * step.step / step.total))) if step.total else 0
    parts = [f"{'█' * done}{'·' * (_BAR - done)} {step.step}/{step.total}"]
    if losses:
        parts.append(f"loss {losses[-1]:.4f} {sparkline(losses[-16:])}")
    if step.eval_loss is not None:
        parts.append(f"validation {step.eval_loss:.4f}")
    if step.learning_rate is not None:
        parts.append(f"rate {step.learning_rate:.1e}")
    if step.remaining:
        parts.append(f"left {step.remaining}")
    return "  ".join(parts)


def sparkline(values: list[float]) -> str:
    """A number a block, lowest to highest; nan and inf are left out."""
    finite = [value for value in values if value == value and abs(value) != float("inf")]  # noqa: PLR0124
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) / span * 7)] for value in finite)


def loss_curve(losses: list[float]) -> str:
    """The loss over the steps as a plot of characters (plotext), colourless; nan and inf are left out."""
    import math

    import plotext

    steps = [number for number, loss in enumerate(losses, start=1) if math.isfinite(loss)]
    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(shutil.get_terminal_size().columns, 80), 12)
    figure.theme("colorless")
    curve = figure.signal(steps, [losses[step - 1] for step in steps], marker="braille")
    curve.lines()
    figure.draw(curve)
    figure.title("training loss")
    figure.label("step", "x")
    return str(plotext.uncolorize(figure.build()))
