"""build_plan() lists the stages of a job, in order. Pure: same job, same bytes."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Plan
from orchestrator.plan.stages import STAGES, prove_served

# What each verb runs; stages that the recipe turns off or its training kind omits are left out.
TRAIN = ("fetch", "prepare", "prove_data", "train", "curve", "hashes", "export", "prove_export", "certify")
PARITY = ("fetch", "prepare", "prove_data")
PROVE = ("prove_data", "prove_export", "score", "prove_served", "certify")
RUN = tuple(STAGES)


def build_plan(job: Job, names: Iterable[str] = RUN) -> Plan:
    """The stages of a job, in order; same job, same bytes."""
    wanted = set(names) - job.kind.omitted_stages
    if not job.recipe.verify.base:
        wanted.discard("ask_base")
    evaluate = job.recipe.evaluate
    if evaluate.split == "none":
        wanted.discard("evaluate")
    if evaluate.split == "none" or not evaluate.base:
        wanted.discard("evaluate_base")
    if not job.asks_general:
        wanted -= {"general", "general_base"}
    if not job.recipe.target.given:
        wanted.discard("target")
    unproven = prove_served.unproven(job)
    if prove_served.LOSS in unproven:
        wanted.discard("score")
    if len(unproven) == len(prove_served.PROOFS):
        wanted.discard("prove_served")
    stages = tuple(make(job) for name, make in STAGES.items() if name in wanted)
    launcher = job.recipe.launch.launcher
    return Plan(recipe=job.recipe.name, headline=headline(job), stages=stages, launcher=launcher)


def headline(job: Job) -> str:
    """The first line of a run: which base, on which hardware; a stand-in is called one."""
    model = job.recipe.model
    base = f"{model.base}@{model.revision[:12]}" if model.revision else model.base
    if job.stand_in:
        base = "the embedded stand-in base (SmolLM2-135M in DeepSeek-R1's format: not a DeepSeek model)"
    if job.base_folder:
        base = model.base
    return f"{job.recipe.name}: training {base} on {job.hardware} ({job.compute_type})"
