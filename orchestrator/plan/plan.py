"""build_plan() lists the stages of a job, in order. Pure: same job, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

from orchestrator import __version__
from orchestrator.plan.job import Job
from orchestrator.plan.stage import Plan
from orchestrator.plan.stages import STAGES, base, stage_of

# What each verb runs; stages that the recipe turns off or its training kind omits are left out.
TRAIN = (
    *("fetch", "prepare", "prove_data", "expand", "train", "curve", "hashes", "export", "prove_export"),
    "certify",
)
PARITY = ("fetch", "prepare", "prove_data")
# What the files of an export follow from.
EXPORT = ("fetch", "prepare", "expand", "train", "export")
PROVE = ("prove_data", "prove_export", "score", "prove_served", "certify")
RUN = tuple(STAGES)


def build_plan(job: Job, names: Iterable[str] = RUN) -> Plan:
    """The stages of a job, in order; same job, same bytes."""
    selected = set(names) - job.kind.omitted_stages
    if not job.recipe.verify.base:
        selected.discard("ask_base")
    if not job.recipe.train.llama_pro:
        selected.discard("expand")
    evaluate = job.recipe.evaluate
    if evaluate.split == "none":
        selected.discard("evaluate")
    if evaluate.split == "none" or not evaluate.base:
        selected.discard("evaluate_base")
    if not job.asks_general:
        selected -= {"general", "general_base"}
    if not job.recipe.target.given:
        selected.discard("target")
    if base.GAIN not in job.kind.proofs:
        selected.discard("rewards")
    unproven = base.unproven(job)
    if base.LOSS in unproven and not job.kind.scores:
        selected.discard("score")
    if unproven.keys() >= {*base.SERVED_PROOFS, *job.kind.proofs}:
        selected.discard("prove_served")
    stages = tuple(stage_of(name)(job) for name in STAGES if name in selected)
    launcher = job.recipe.launch.launcher
    return Plan(recipe=job.recipe.name, headline=headline(job), stages=stages, launcher=launcher)


def plan_key(plan: Plan, lockfiles: Mapping[str, str]) -> str:
    """The identity of what a plan makes: equal for the same recipe, data and tools."""
    return digest_of({"plan": plan.to_json(), "lockfiles": dict(lockfiles), "conch": __version__})


def digest_of(value: object) -> str:
    """`sha256:…` of a JSON-able value."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def headline(job: Job) -> str:
    """The first line of a run: the base model and the hardware; says when the base is a stand-in."""
    model = job.chain[-1].recipe.model
    name = f"{model.base}@{model.revision[:12]}" if model.revision else model.base
    if job.stand_in:
        name = "the embedded stand-in base (SmolLM2-135M in DeepSeek-R1's format: not a DeepSeek model)"
    if job.base_folder:
        name = model.base
    for built_on in reversed(job.chain[1:]):
        name = f"the export of recipe {built_on.recipe.name}, trained from {name}"
    return f"{job.recipe.name}: training {name} on {job.hardware} ({job.compute_type})"
