"""The stages of a run. To add one: a file here with `stage(job) -> Stage`, and its line below.

A stage is imported when it is needed: a task's process reads the Settings of its own stage and no other.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.plan.job import Job
    from orchestrator.plan.stage import Stage

# In the order in which they run.
STAGES = (
    "fetch",
    "prepare",
    "prove_data",
    "ask_base",
    "general_base",
    "evaluate_base",
    "expand",
    "train",
    "curve",
    "hashes",
    "export",
    "prove_export",
    "score",
    "prove_served",
    "ask",
    "general",
    "evaluate",
    "rewards",
    "judge",
    "target",
    "certify",
    "report",
)


def stage_of(name: str) -> Callable[[Job], Stage]:
    """What makes the stage of a name."""
    make: Callable[[Job], Stage] = import_module(f"{__name__}.{name}").stage
    return make
