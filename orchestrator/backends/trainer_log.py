"""What LLaMA-Factory 0.9.5 and its trainer write while they train: trainer_log.jsonl, and their own words.

Facts read in train/callbacks.py of 0.9.5 and in transformers' trainer.py.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One line of trainer_log.jsonl; losses and rates are None where the line has none.

    `elapsed` and `remaining` are LLaMA-Factory's own "H:MM:SS". `vram_allocated` and `vram_reserved` are the
    highest so far in GB, 0 on a CPU (RECORD_VRAM); `throughput` is in tokens a second, where it counts them.
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


def read_log_line(line: str) -> TrainStep | None:
    """The step that a line of trainer_log.jsonl tells of; None for a torn or foreign line."""
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
    """Seconds to the last step, by the pace since this process began; None when that is not known.

    LLaMA-Factory divides the time of this process by all steps, those of before it went on too, and so
    promises too much after a resumption (train/callbacks.py of 0.9.5).

    >>> seconds_left(TrainStep(step=60, total=100, elapsed="0:00:10"), resumed_at=50)
    40
    """
    elapsed, done = seconds_of(step.elapsed), step.step - resumed_at
    if elapsed is None or done <= 0:
        return seconds_of(step.remaining)
    return round(elapsed / done * max(0, step.total - step.step))


_EXAMPLES = re.compile(r"Num examples = ([\d,]+)")


def read_examples(log: str) -> int | None:
    """How many rows the trainer says that it trains, in what it printed so far; None before it says so.

    `***** Running training *****`, then `  Num examples = 1,234` (transformers 4.57, trainer.py); what is
    evaluated is counted in the same words, later.
    """
    found = _EXAMPLES.search(log)
    return None if found is None else int(found[1].replace(",", ""))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
