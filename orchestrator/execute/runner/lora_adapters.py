"""The adapters of a run that can be served on its base without merging."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.checkpoints import newest_first, problem_of
from orchestrator.plan.stage import partial

FOLDERS = ("adapter", partial("adapter"))


@dataclass(frozen=True, slots=True)
class LoraAdapter:
    """An adapter: its model name ("checkpoint-40") and its folder in the run."""

    name: str
    path: str


def adapter_of(run: Run, number: str) -> LoraAdapter:
    """The adapter of a checkpoint, by its step or "last", also of a training in progress.

    Raises:
        MissingError: there is no such checkpoint, it is incomplete, or it holds no adapter.
    """
    found = {
        step: path
        for folder in FOLDERS
        if (run.path / folder).is_dir()
        for step, path in newest_first(run.path / folder)
    }
    steps = ", ".join(map(str, sorted(found))) or "none"
    if not found or (number != "last" and int(number) not in found):
        what = f"run {run.name} has no checkpoint {number} (available: {steps})"
        hint = "the last two are kept; set train.save_steps for others" if found else "set train.save_steps"
        raise MissingError(Problem(what, str(run.path), hint))
    # The last complete one: a training in progress may be saving the next.
    complete = next((step for step in sorted(found, reverse=True) if not problem_of(found[step])), max(found))
    path = found[complete if number == "last" else int(number)]
    if wrong := problem_of(path):
        raise MissingError(
            Problem(f"the checkpoint is incomplete: {wrong}", str(path), f"choose another of {steps}")
        )
    if not (path / "adapter_config.json").is_file():
        what = "the checkpoint holds no adapter: train.method is not lora"
        raise MissingError(Problem(what, str(path), "use the run's export instead"))
    if why := _unservable(path / "adapter_config.json"):
        raise MissingError(
            Problem(f"vLLM cannot serve it beside its base: {why}", str(path), "use the export")
        )
    return LoraAdapter(path.name, str(path.relative_to(run.path)))


def _unservable(path: Path) -> str:
    """What vLLM 0.32 refuses in an adapter when it has loaded the base (peft_helper.py); "" if nothing."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    if config.get("use_dora"):
        return "it is a DoRA adapter"
    whole = config.get("modules_to_save")
    return f"it has modules that are saved whole ({', '.join(map(str, whole))})" if whole else ""


def rank_of(run: Run, adapter: LoraAdapter) -> int:
    """The rank in an adapter's configuration."""
    path = run.path / adapter.path / "adapter_config.json"
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["r"])
    except (OSError, ValueError, KeyError, TypeError):
        raise MissingError(
            Problem("the adapter states no rank", str(path), "choose another checkpoint")
        ) from None
