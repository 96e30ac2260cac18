"""The stages of a run. To add one: a file here with `stage(job) -> Stage`, and its line below."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.plan.job import Job
from orchestrator.plan.stage import Stage
from orchestrator.plan.stages import (
    ask,
    ask_base,
    certify,
    curve,
    evaluate,
    evaluate_base,
    export,
    fetch,
    general,
    general_base,
    hashes,
    judge,
    prepare,
    prove_data,
    prove_export,
    prove_served,
    report,
    score,
    target,
    train,
)

# In the order in which they run.
STAGES: dict[str, Callable[[Job], Stage]] = {
    "fetch": fetch.stage,
    "prepare": prepare.stage,
    "prove_data": prove_data.stage,
    "ask_base": ask_base.stage,
    "general_base": general_base.stage,
    "evaluate_base": evaluate_base.stage,
    "train": train.stage,
    "curve": curve.stage,
    "hashes": hashes.stage,
    "export": export.stage,
    "prove_export": prove_export.stage,
    "score": score.stage,
    "prove_served": prove_served.stage,
    "ask": ask.stage,
    "general": general.stage,
    "evaluate": evaluate.stage,
    "judge": judge.stage,
    "target": target.stage,
    "certify": certify.stage,
    "report": report.stage,
}
