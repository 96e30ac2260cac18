"""The progress of a run on stderr: one live line while a stage works, and lines that stay.

On a pipe or in a CI log the live line becomes an ordinary line now and then, never the same line twice.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import suppress
from typing import TextIO

from orchestrator.backends.trainer_log import TrainStep
from orchestrator.cli.text.program import runnable
from orchestrator.cli.text.terminal import emit
from orchestrator.evaluation.trainer_metrics import HELD_OUT, KNOWN
from orchestrator.outside import one_line
from orchestrator.plan.titles import title_of
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
_INDENT = "      "


class TerminalProgress:
    """Draws on stderr; stdout carries the result only."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = (
            self._stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        )
        self._losses: list[float] = []
        self._last_line = ""
        self._printed_at = 0.0
        self._stage = ""
        self._began = time.monotonic()
        self._drawn = False

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._clear()
        self._write(runnable(text) + "\n")

    def start(self, number: int, total: int, stage: str, reason: str) -> None:
        """A stage begins."""
        self._stage, self._began = stage, time.monotonic()
        self._printed_at, self._last_line = 0.0, ""
        self.say(f"[{number}/{total}] {title_of(stage)} ({reason})")

    def now(self, text: str) -> None:
        """Update the live line; "" if there is nothing to say but that time passes."""
        line = one_line(text)
        self._show(f"{line}  {time.monotonic() - self._began:.0f} s".lstrip() if self._live else line)

    def step(self, step: TrainStep) -> None:
        """Show a training step on the live line."""
        if step.loss is not None:
            self._losses.append(step.loss)
        bar = progress_bar(step) + "  " if self._live else ""
        self._show(bar + step_line(step, self._losses))

    def end(self, run: StageResult) -> None:
        """A stage ended: its mark and time; after training, the loss curve."""
        title = "" if run.stage == self._stage else f"{title_of(run.stage)}: "
        took = f" in {run.seconds:.1f} s" if run.seconds else ""
        reason = one_line(run.reason)
        if reason:
            reason = f" ({reason})" if run.status in (Status.DONE, Status.SKIPPED) else f": {reason}"
        self.say(f"  {_MARKS.get(run.status, '?')} {title}{run.status}{took}{reason}")
        if run.stage == "train" and len(self._losses) > 1:
            self.say(loss_curve(self._losses))
        if run.stage == "train":
            self._losses = []  # a recipe that is built on this one trains next

    def _show(self, line: str) -> None:
        if self._live:
            self._clear()
            self._write((_INDENT + line)[: shutil.get_terminal_size().columns - 1])
            self._drawn = True
        elif line not in {"", self._last_line} and time.monotonic() - self._printed_at > _QUIET_SECONDS:
            self._printed_at, self._last_line = time.monotonic(), line
            self._write(f"{_INDENT}{line}\n")

    def _clear(self) -> None:
        if self._drawn:
            self._write("\r\x1b[2K")
            self._drawn = False

    def _write(self, text: str) -> None:
        # Training continues when nobody reads its output any more (`conch run 2>&1 | head`).
        with suppress(OSError):
            emit(text, self._stream)


def progress_bar(step: TrainStep) -> str:
    """The share of the steps that are done, as a bar.

    >>> progress_bar(TrainStep(step=5, total=10))
    '████████████············'
    """
    done = max(0, min(_BAR, round(_BAR * step.step / step.total))) if step.total else 0
    return "█" * done + "·" * (_BAR - done)


def step_line(step: TrainStep, losses: list[float]) -> str:
    """A training step in words: step, loss with its recent course, metrics, learning rate, time left.

    >>> step_line(TrainStep(step=5, total=10, loss=0.5, learning_rate=1e-3, remaining="0:00:20"), [1.0, 0.5])
    'training · step 5/10 · loss 0.5000 █▁ · learning rate 1.0e-03 · 0:00:20 left'
    """
    parts = ["training", f"step {step.step}/{step.total}"]
    if losses:
        course = sparkline(losses[-16:]) if len(losses) > 1 else ""
        parts.append(f"loss {losses[-1]:.4f} {course}".rstrip())
    for key, metric in KNOWN.items():
        if metric.rises is not None and key in step.metrics:
            parts.append(f"{metric.name} {metric.shown(step.metrics[key])}")
    if step.eval_loss is not None:
        parts.append(f"validation loss {step.eval_loss:.4f}")
        for key, metric in KNOWN.items():
            if metric.share and HELD_OUT + key in step.metrics:
                parts.append(f"held-out {metric.shown(step.metrics[HELD_OUT + key])}")
    if step.learning_rate is not None:
        parts.append(f"learning rate {step.learning_rate:.1e}")
    if step.remaining:
        parts.append(f"{step.remaining} left")
    return " · ".join(parts)


def sparkline(values: list[float]) -> str:
    """One block per number, lowest to highest; nan and inf are left out."""
    finite = [value for value in values if value == value and abs(value) != float("inf")]  # noqa: PLR0124
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    span = (high - low) or 1.0
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) / span * 7)] for value in finite)


def loss_curve(losses: list[float]) -> str:
    """The loss over the steps as a plot of characters, without colours; nan and inf are left out."""
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
