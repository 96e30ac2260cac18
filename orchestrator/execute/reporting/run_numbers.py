"""Numbers of a run's report that lie in long files: the course of the training, and what its data is like.

Of data, at most the first MOST rows of each data set are looked at, so that a report of a large one takes
seconds.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.backends.trainer_log import TrainStep, seconds_of
from orchestrator.datasets.distribution import Distribution
from orchestrator.datasets.statistics import Statistics
from orchestrator.execute.host.atomic_files import read_json
from orchestrator.execute.run_store.training_log import Course

MOST = 20_000
# What transformers sums up at the end (trainer.py, speed_metrics).
SUMMED = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")


def training_of(adapter: Path) -> dict[str, Any] | None:
    """The course of a training as lists of [step, value]; None where there is no log of it.

    Returns:
        {"steps", "seconds", "losses", "validations", "rates", "vram_allocated", "vram_reserved",
        "throughput", "not_finite", "summed"}: seconds by LLaMA-Factory's own clock, of the last process.
    """
    course = Course()
    course.read(adapter / "trainer_log.jsonl")
    steps = course.steps
    if not steps:
        return None
    losses = _series(steps, "loss")
    told = {
        "losses": losses,
        "validations": _series(steps, "eval_loss"),
        "rates": _series(steps, "learning_rate"),
        "vram_allocated": [pair for pair in _series(steps, "vram_allocated") if pair[1]],
        "vram_reserved": [pair for pair in _series(steps, "vram_reserved") if pair[1]],
        "throughput": _series(steps, "throughput"),
    }
    summed = read_json(adapter / "train_results.json") or {}
    return {
        "steps": steps[-1].total,
        "seconds": next((s for one in reversed(steps) if (s := seconds_of(one.elapsed)) is not None), None),
        **told,
        "not_finite": sum(one.loss is not None for one in steps) - len(losses),
        "summed": {name: summed[name] for name in SUMMED if _is_number(summed.get(name))},
    }


def _series(steps: Iterable[TrainStep], name: str) -> list[list[float]]:
    pairs = ((one.step, getattr(one, name)) for one in steps)
    return [[step, value] for step, value in pairs if value is not None and math.isfinite(value)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass
class _Seen:
    """What was seen of one data set."""

    counted: int = 0
    like: Statistics = field(default_factory=Statistics)
    tokens: Distribution = field(default_factory=Distribution)


def data_of(run: Path) -> list[dict[str, Any]]:
    """Each prepared data set: what prepare.json says of it, and how long its rows are.

    Returns:
        {"name", "part", "file", "rows", "format", …, "counted", "answers", "characters": {"row", "question",
        "answer"}, "languages", "tokens"}: a spread (datasets/distribution.py) each; tokens is None where the
        proofs encoded none, else of whole rows, as LLaMA-Factory encodes them.
    """
    sets = [dict(one) for one in (read_json(run / "data/prepare.json") or {}).get("datasets", ())]
    seen = {one["name"]: _Seen() for one in sets}
    for name, line in _lines(run / "data/conversations.jsonl", seen):
        if (one := seen[name]).counted < MOST:
            one.counted += 1
            one.like.see(line["messages"])
    for name, line in _lines(run / "proofs/data/training_ids.jsonl", seen):
        if (one := seen[name]).tokens.total < MOST and line.get("ids"):
            one.tokens.add(len(line["ids"]))
    return [each | _told(seen[each["name"]]) for each in sets]


def _lines(path: Path, names: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """At most MOST whole lines of each of these data sets: both files begin a line with its name."""
    begins = {json.dumps(name, ensure_ascii=False).encode(): name for name in names}
    taken: Counter[str] = Counter()
    try:
        with path.open("rb") as file:
            for line in file:
                quoted = line[:400].partition(b":")[2].lstrip()
                name = next((one for key, one in begins.items() if quoted.startswith(key)), None)
                if name is None or taken[name] >= MOST:
                    continue
                taken[name] += 1
                try:
                    yield name, json.loads(line)
                except ValueError:
                    continue
    except OSError:
        return


def _told(seen: _Seen) -> dict[str, Any]:
    like = seen.like.to_json()
    return {
        "counted": seen.counted,
        "answers": seen.like.answers.total,
        "characters": like["characters"],
        "languages": like["languages"],
        "tokens": seen.tokens.to_json() if seen.tokens.total else None,
    }
