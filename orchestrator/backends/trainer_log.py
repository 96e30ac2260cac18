"""What LLaMA-Factory 0.9.5 and its trainer write: trainer_log.jsonl, log lines, trainer_state.json.

Source: train/callbacks.py of 0.9.5, and transformers' trainer.py.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TrainStep:
    """One line of trainer_log.jsonl; losses and rates are None if the line has none.

    `elapsed` and `remaining` are LLaMA-Factory's "H:MM:SS". `vram_allocated` and `vram_reserved` are peaks in
    GB, 0 on a CPU (RECORD_VRAM); `throughput` is in tokens per second, if counted. `metrics`: what is
    measured beside the loss, by the trainer's own names (evaluation/trainer_metrics.py).
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
    metrics: Mapping[str, float] = field(default_factory=dict)


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
            metrics={name: float(row[key]) for key, name in _LOGGED.items() if row.get(key) is not None},
        )
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


# trainer_log.jsonl renames one of the two metrics that it has.
_LOGGED = {"accuracy": "rewards/accuracies", "reward": "reward"}
_PRINTED = re.compile(r"\{'[^{}\n]*'epoch':[^{}\n]*\}")


def read_printed(log: str) -> dict[str, float]:
    r"""The newest value of every number in the lines that the trainer prints (ProgressCallback).

    >>> read_printed("  0%|\r{'loss': '0.69', 'kl': 2.0, 'epoch': '0.1'}\n{'reward': '0.5', 'epoch': '0.1'}")
    {'loss': 0.69, 'kl': 2.0, 'epoch': 0.1, 'reward': 0.5}
    """
    found: dict[str, float] = {}
    for line in _PRINTED.findall(log):
        try:
            found |= _numbers(ast.literal_eval(line))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return found


def read_state(text: str | bytes) -> dict[str, list[tuple[int, float]]]:
    """Name → (step, value) of every number in a trainer_state.json; nothing of another file."""
    series: dict[str, list[tuple[int, float]]] = {}
    try:
        for entry in json.loads(text)["log_history"]:
            for name, value in _numbers(entry).items():
                series.setdefault(name, []).append((int(entry["step"]), value))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return series


def _numbers(entry: Mapping[str, object]) -> dict[str, float]:
    found = {}
    # KTO's kl has the same name on validation rows.
    renamed = {"kl": "eval_kl"} if "eval_loss" in entry else {}
    for name, value in entry.items():
        try:
            number = float(str(value))
        except ValueError:
            continue
        if math.isfinite(number):
            found[renamed.get(name, name)] = number
    return found


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
