"""The stages of a run. To add one: a file here with `stage(job) -> Stage`, and its line below."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.job import Job
from orchestrator.stage import Stage
from orchestrator.stages import (
    ask,
    ask_base,
    certify,
    evaluate,
    evaluate_base,
    export,
    fetch,
    judge,
    lock,
    prepare,
    prove_data,
    prove_export,
    prove_served,
    report,
    score,
    train,
)

# In the order in which they run.
STAGES: dict[str, Callable[[Job], Stage]] = {
    "fetch": fetch.stage,
    "prepare": prepare.stage,
    "prove_data": prove_data.stage,
    "ask_base": ask_base.stage,
    "evaluate_base": evaluate_base.stage,
    "train": train.stage,
    "lock": lock.stage,
    "export": export.stage,
    "prove_export": prove_export.stage,
    "score": score.stage,
    "prove_served": prove_served.stage,
    "ask": ask.stage,
    "evaluate": evaluate.stage,
    "judge": judge.stage,
    "certify": certify.stage,
    "report": report.stage,
}
