"""Everything that the report of a run shows, read from its folder: report.json. Page and card fold this.

A run may have stopped anywhere and most of its files are optional: what is missing is None or empty.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from orchestrator.backends import clients
from orchestrator.backends.trainer_log import TrainStep, seconds_of
from orchestrator.datasets.distribution import Distribution
from orchestrator.datasets.statistics import Statistics
from orchestrator.evaluation.numbers import Numbers
from orchestrator.execute.host.atomic_files import open_regular, read_json
from orchestrator.execute.host.redact import redact
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.manifest import MANIFEST, network_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.training_log import Course, measured_in
from orchestrator.html.facts import BaseFacts, CommandFacts, DataFacts, Facts, MetricFacts, TrainingFacts
from orchestrator.plan.kinds import KINDS
from orchestrator.plan.stages.base import CURVE
from orchestrator.proofs import PROOFS
from orchestrator.results import EN, ZH, Report

SCHEMA = 1
# Rows of a dataset that lengths and languages are measured on, so that a large one takes seconds.
MOST = 20_000
# The summary that transformers writes (trainer.py, speed_metrics).
SUMMED = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")
_HAN = re.compile(r"[\u3400-\u9fff]")
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_LICENCE = re.compile(r"[\w.+-]{1,60}")


def read_facts(folder: Path, *, recipe: str, model: str, stand_in: bool, language: str = "") -> Facts:
    """All facts of a run.

    Args:
        folder: runs/RECIPE/ID.
        recipe: its name.
        model: the served model name.
        stand_in: whether the base is the embedded demo model.
        language: "zh", "en", or "" for the language of most questions.
    """
    run = Run(folder.parents[2], folder.parent.name, folder.name)
    manifest = read_json(folder / MANIFEST) or {}
    report = read_report(folder, recipe=recipe, headline=str(manifest.get("headline", "")), runs=run.runs())
    events = list(run.events())
    kind = KINDS.get(manifest.get("recipe", {}).get("train.kind", {}).get("value", ""))
    results = report.to_json()
    results["runs"] = _masked(results["runs"])
    facts = {
        "schema": SCHEMA,
        "run": run.name,
        "language": language or language_of(report),
        "model": model,
        "stand_in": stand_in,
        "began": next((one.get("at", "") for one in events if one.get("event") == "begun"), ""),
        "ended": events[-1].get("at", "") if events else "",
        **results,
        "not_proven": [name for name in PROOFS if name not in {proof.name for proof in report.proofs}],
        "trials": read_json(folder.parent / "trials.json"),
        "training": training_of(folder / "adapter"),
        "hardware": manifest.get("hardware") or {},
        "network": network_of(events) or {},
        "data": data_of(folder),
        "evaluations": evaluations_of(folder / "eval"),
        "comparison": read_json(folder / "compare/compare.json"),
        "recipe_values": _masked(manifest.get("recipe") or {}),
        "data_files": manifest.get("data") or {},
        "base": base_of(folder, manifest),
        "environments": manifest.get("environments") or {},
        "conch": manifest.get("conch") or {},
        "commands": list(commands_of(manifest.get("stages") or {})),
        "exported": (folder / "export").is_dir(),
        "call": clients.all_snippets(
            clients.DEFAULT_URL, model, question_of(report), scores=bool(kind and kind.scores)
        ),
    }
    return cast("Facts", facts)


def _masked(value: Any) -> Any:
    """The same with secrets masked: a reason may quote a log."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    return [_masked(one) for one in value] if isinstance(value, list) else value


def language_of(report: Report) -> str:
    """Chinese if most questions contain Chinese characters, else English."""
    asked = {one.case: one.question for one in (*report.verdicts, *report.paraphrases)}
    chinese = sum(bool(_HAN.search(question)) for question in asked.values())
    return ZH if chinese * 2 > len(asked) else EN


def question_of(report: Report) -> str:
    """The question of the code snippets."""
    return report.verdicts[0].question if report.verdicts else "你好"


def evaluations_of(folder: Path) -> dict[str, dict[str, Numbers]]:
    """Split → system → its eval.json; the base before the others."""
    found: dict[str, dict[str, Numbers]] = {}
    for path in sorted(folder.glob("*/eval.json")):
        numbers = cast("Numbers | None", read_json(path))
        if numbers and "metrics" in numbers:
            found.setdefault(str(numbers["split"]), {})[str(numbers["system"])] = numbers
    return {
        split: dict(sorted(each.items(), key=lambda one: one[0] != "base")) for split, each in found.items()
    }


def base_of(folder: Path, manifest: Mapping[str, Any]) -> BaseFacts:
    """The base model."""
    known = manifest.get("base") or {}
    fetched = read_json(folder / "inputs/base.json") or {}
    return {
        "asked_for": str(known.get("asked_for") or ""),
        "name": str(known.get("name") or ""),
        "source": str(known.get("source") or ""),
        "revision": str(known.get("revision") or ""),
        "licence": _licence(fetched, folder / "inputs/base/README.md"),
    }


def _licence(fetched: Mapping[str, object], card: Path) -> str:
    named = fetched.get("licence")
    try:
        front = _FRONT.match(card.read_text(encoding="utf-8"))
        named = named or (yaml.safe_load(front[1]).get("license") if front else "")
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        pass
    return named if isinstance(named, str) and _LICENCE.fullmatch(named) else ""


def commands_of(stages: Mapping[str, Any]) -> Iterable[CommandFacts]:
    """The commands of all stages, masked as in the manifest; each server once."""
    servers: Counter[str] = Counter()
    for name, stage in stages.items():
        server = stage.get("server", "")
        servers[server] += 1
        if server and servers[server] == 1:
            yield {"stage": name, "command": server, "server": True}
        for command in stage.get("commands", ()):
            yield {"stage": name, "command": command, "server": False}


def training_of(adapter: Path) -> TrainingFacts | None:
    """The curves of a training; None without a log."""
    course = Course()
    course.read(adapter / "trainer_log.jsonl")
    steps = course.steps
    if not steps:
        return None
    losses = _series(steps, "loss")
    summed = read_json(adapter / "train_results.json") or {}
    return {
        "steps": steps[-1].total,
        "seconds": next((s for one in reversed(steps) if (s := seconds_of(one.elapsed)) is not None), None),
        "losses": losses,
        "validations": _series(steps, "eval_loss"),
        "rates": _series(steps, "learning_rate"),
        "metrics": _metrics(adapter, course),
        "vram_allocated": [pair for pair in _series(steps, "vram_allocated") if pair[1]],
        "vram_reserved": [pair for pair in _series(steps, "vram_reserved") if pair[1]],
        "throughput": _series(steps, "throughput"),
        "not_finite": sum(one.loss is not None for one in steps) - len(losses),
        "summed": {name: summed[name] for name in SUMMED if _is_number(summed.get(name))},
    }


def _metrics(adapter: Path, course: Course) -> list[MetricFacts]:
    """The metrics that curve.json names, of the trained rows and then of the held-out ones."""
    measured = measured_in(adapter / "trainer_state.json", course)
    named = (read_json(adapter.parent / CURVE) or {}).get("metrics", ())
    found = [
        {name: one[name] for name in ("name", "name_zh") if name in one}
        | {"points": [list(point) for point in measured.get(one["key"], ())]}
        for one in named
    ]
    return cast("list[MetricFacts]", found)


def _series(steps: Iterable[TrainStep], name: str) -> list[list[float]]:
    pairs = ((one.step, getattr(one, name)) for one in steps)
    return [[step, value] for step, value in pairs if value is not None and math.isfinite(value)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@dataclass
class _Measured:
    """What was measured of one dataset."""

    counted: int = 0
    statistics: Statistics = field(default_factory=Statistics)
    tokens: Distribution = field(default_factory=Distribution)


def data_of(run: Path) -> list[DataFacts]:
    """Each prepared dataset: its entry in prepare.json, and the lengths and languages of its rows.

    Tokens are of whole rows, as LLaMA-Factory encodes them for the proofs; None if no row was encoded.
    """
    sets = [dict(one) for one in (read_json(run / "data/prepare.json") or {}).get("datasets", ())]
    measured = {one["name"]: _Measured() for one in sets}
    for name, line in _lines(run / "data/conversations.jsonl", measured):
        if (one := measured[name]).counted < MOST:
            one.counted += 1
            one.statistics.see(line["messages"])
    for name, line in _lines(run / "proofs/data/training_ids.jsonl", measured):
        if (one := measured[name]).tokens.total < MOST and line.get("ids"):
            one.tokens.add(len(line["ids"]))
    return [cast("DataFacts", each | _measurements(measured[each["name"]])) for each in sets]


def _lines(path: Path, names: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """At most MOST whole lines of each of these datasets; in both files a line begins with its name."""
    begins = {json.dumps(name, ensure_ascii=False).encode(): name for name in names}
    taken: Counter[str] = Counter()
    try:
        with open_regular(path) as file:
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


def _measurements(measured: _Measured) -> dict[str, object]:
    statistics = measured.statistics.to_json()
    return {
        "counted": measured.counted,
        "answers": measured.statistics.answers.total,
        "characters": statistics["characters"],
        "languages": statistics["languages"],
        "tokens": measured.tokens.to_json() if measured.tokens.total else None,
    }
