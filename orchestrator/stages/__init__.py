"""The stages of a run. To add one: a file here with `stage(job) -> Stage`, and its line below."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.job import Job
from orchestrator.stage import Stage
from orchestrator.stages import (
    ask,
    ask_base,
    export,
    fetch,
    judge,
    prepare,
    prove_data,
    prove_export,
    report,
    train,
)

# In the order in which they run.
STAGES: dict[str, Callable[[Job], Stage]] = {
    "fetch": fetch.stage,
    "prepare": prepare.stage,
    "prove_data": prove_data.stage,
    "ask_base": ask_base.stage,
    "train": train.stage,
    "export": export.stage,
    "prove_export": prove_export.stage,
    "ask": ask.stage,
    "judge": judge.stage,
    "report": report.stage,
}
