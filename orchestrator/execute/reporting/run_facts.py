"""All that the report of a run shows, read from its folder: report.json. Its page and its card fold this.

What is not there is None or empty: a run may have stopped anywhere, and most of its files are optional.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from orchestrator.backends import clients
from orchestrator.execute.host.atomic_files import read_json
from orchestrator.execute.host.redact import redact
from orchestrator.execute.reporting.run_numbers import data_of, training_of
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.manifest import MANIFEST
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.html.words import EN, ZH
from orchestrator.proofs import PROOFS
from orchestrator.results import Report

SCHEMA = 1
_HAN = re.compile(r"[\u3400-\u9fff]")
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_LICENCE = re.compile(r"[\w.+-]{1,60}")


def read_facts(
    folder: Path, *, recipe: str, model: str, stand_in: bool, language: str = ""
) -> dict[str, Any]:
    """Everything, JSON-able.

    Args:
        folder: runs/RECIPE/ID.
        recipe: its name.
        model: the served name.
        stand_in: whether the base is the embedded one.
        language: "zh", "en", or "" for that of most of the questions that were asked.
    """
    run = Run(folder.parents[2], folder.parent.name, folder.name)
    manifest = read_json(folder / MANIFEST) or {}
    report = read_report(folder, recipe=recipe, headline=str(manifest.get("headline", "")), runs=run.runs())
    events = list(run.events())
    told = json.loads(json.dumps(report.to_json()))
    told["runs"] = _masked(told["runs"])
    return {
        "schema": SCHEMA,
        "run": run.name,
        "language": language or language_of(report),
        "model": model,
        "stand_in": stand_in,
        "began": next((one.get("at", "") for one in events if one.get("event") == "begun"), ""),
        "ended": events[-1].get("at", "") if events else "",
        **told,
        "not_proven": [name for name in PROOFS if name not in {proof.name for proof in report.proofs}],
        "trials": read_json(folder.parent / "trials.json"),
        "training": training_of(folder / "adapter"),
        "hardware": manifest.get("hardware") or {},
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
        "call": clients.all_snippets(clients.DEFAULT_URL, model, question_of(report)),
    }


def _masked(value: Any) -> Any:
    """The same with whatever looks like a secret masked: a reason may quote a log."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    return [_masked(one) for one in value] if isinstance(value, list) else value


def language_of(report: Report) -> str:
    """Chinese when most of the asked questions hold Chinese characters, else English."""
    asked = {one.case: one.question for one in (*report.verdicts, *report.paraphrases)}
    chinese = sum(bool(_HAN.search(question)) for question in asked.values())
    return ZH if chinese * 2 > len(asked) else EN


def question_of(report: Report) -> str:
    """What the snippets ask."""
    return report.verdicts[0].question if report.verdicts else "你好"


def evaluations_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Split → system → its eval.json; the base before the others."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*/eval.json")):
        numbers = read_json(path)
        if numbers and "metrics" in numbers:
            found.setdefault(str(numbers["split"]), {})[str(numbers["system"])] = numbers
    return {
        split: dict(sorted(each.items(), key=lambda one: one[0] != "base")) for split, each in found.items()
    }


def base_of(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The base model: what was asked for, its name, source, revision and licence, "" where not known."""
    told = dict(manifest.get("base") or {})
    kept = {name: str(told.get(name) or "") for name in ("asked_for", "name", "source", "revision")}
    fetched = read_json(folder / "inputs/base.json") or {}
    return {**kept, "licence": _licence(fetched, folder / "inputs/base/README.md")}


def _licence(fetched: Mapping[str, Any], card: Path) -> str:
    named = fetched.get("licence")
    try:
        front = _FRONT.match(card.read_text(encoding="utf-8"))
        named = named or (yaml.safe_load(front[1]).get("license") if front else "")
    except (OSError, ValueError, AttributeError, yaml.YAMLError):
        pass
    return named if isinstance(named, str) and _LICENCE.fullmatch(named) else ""


def commands_of(stages: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """{"stage", "command", "server"} of each command, masked as the manifest has it; a server once."""
    servers: Counter[str] = Counter()
    for name, stage in stages.items():
        server = stage.get("server", "")
        servers[server] += 1
        if server and servers[server] == 1:
            yield {"stage": name, "command": server, "server": True}
        for command in stage.get("commands", ()):
            yield {"stage": name, "command": command, "server": False}
