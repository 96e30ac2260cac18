"""What LLaMA-Factory 0.9.5 and its trainer write while they train: trainer_log.jsonl, and log lines.

Source: train/callbacks.py of 0.9.5, and transformers' trainer.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One line of trainer_log.jsonl; losses and rates are None if the line has none.

    `elapsed` and `remaining` are LLaMA-Factory's "H:MM:SS". `vram_allocated` and `vram_reserved` are peaks in
    GB, 0 on a CPU (RECORD_VRAM); `throughput` is in tokens per second, if counted. `accuracy`: the share of a
    batch's pairs of which the model prefers the better answer (train.kind dpo).
    """

    step: int
    total: int
    loss: float | None = None
    eval_loss: float | None = None
    learning_rate: float | None = None
    elapsed: str = ""
    remaining: str = ""
    vram_allocated: float | None = None
    vram_reserved: float | None = None
    throughput: float | None = None
    accuracy: float | None = None


def read_log_line(line: str) -> TrainStep | None:
    """The step in a line of trainer_log.jsonl; None for a truncated or foreign line."""
    try:
        row = json.loads(line)
        return TrainStep(
            step=int(row["current_steps"]),
            total=int(row["total_steps"]),
            loss=_number(row.get("loss")),
            eval_loss=_number(row.get("eval_loss")),
            learning_rate=_number(row.get("lr")),
            elapsed=str(row.get("elapsed_time", "")),
            remaining=str(row.get("remaining_time", "")),
            vram_allocated=_number(row.get("vram_allocated")),
            vram_reserved=_number(row.get("vram_reserved")),
            throughput=_number(row.get("throughput")),
            accuracy=_number(row.get("accuracy")),
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


_TIME = re.compile(r"(?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")


def seconds_of(time: str) -> int | None:
    """LLaMA-Factory's "H:MM:SS", or "1 day, H:MM:SS", in seconds; None for anything else.

    >>> seconds_of("1 day, 0:00:05")
    86405
    """
    found = _TIME.fullmatch(time)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def seconds_left(step: TrainStep, resumed_at: int = 0) -> int | None:
    """Seconds to the last step, by the pace of this process; None if unknown.

    LLaMA-Factory divides this process's time by all steps, those before a resumption too, and so
    underestimates after it (train/callbacks.py of 0.9.5).

    >>> seconds_left(TrainStep(step=60, total=100, elapsed="0:00:10"), resumed_at=50)
    40
    """
    elapsed, done = seconds_of(step.elapsed), step.step - resumed_at
    if elapsed is None or done <= 0:
        return seconds_of(step.remaining)
    return round(elapsed / done * max(0, step.total - step.step))


_EXAMPLES = re.compile(r"Num examples = ([\d,]+)")


def read_examples(log: str) -> int | None:
    """The number of rows that the trainer has printed; None before it has.

    `***** Running training *****`, then `  Num examples = 1,234` (transformers 4.57, trainer.py). An
    evaluation prints the same line later.
    """
    found = _EXAMPLES.search(log)
    return None if found is None else int(found[1].replace(",", ""))


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)
