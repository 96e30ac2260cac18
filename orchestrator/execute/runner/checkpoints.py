"""The checkpoints of an interrupted training: which are complete, and resuming from the last of them.

A checkpoint whose trainer died while saving looks like any other by name, and the trainer itself takes the
highest number (transformers issues 35782, 35525). Here a checkpoint is complete when every file that training
needs exists to its end: a safetensors header states its length, and torch files are zip archives, whose
directory is written last. Not covered: bit flips on disk; optimizer shards of DeepSpeed and FSDP, without
which training starts over.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.backends.llamafactory import resumed
from orchestrator.backends.trainer_log import read_log_line
from orchestrator.errors import ConchError, Problem, StageFailed
from orchestrator.execute.host.atomic_files import remove, write_durable
from orchestrator.execute.models.model_folder import model_problems, read_header
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.plan.stage import Command, Stage, partial

LOG = "trainer_log.jsonl"
_NAME = re.compile(r"checkpoint-(\d+)")
# Exists while a checkpoint is saved because the trainer was asked to end (trainer_jit_checkpoint.py).
_UNFINISHED = "checkpoint-is-incomplete.txt"
_ARCHIVES = ("optimizer.pt", "scheduler.pt")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint: its run-relative path, and the step after which it was saved."""

    path: str
    step: int


def last_checkpoint(run: Run, stage: Stage, key: str) -> tuple[Checkpoint | None, list[str]]:
    """The checkpoint from which a stage resumes; what is incomplete after it is removed.

    Resume only from output with the same cache key: of this run, or of an earlier run of the recipe, whose
    unfinished output is then moved here.

    Returns:
        the checkpoint, None when there is no complete one; and messages for the user.
    """
    source = _unfinished_run(run, stage, key)
    if source is None:
        return None, []
    folder = run.path / partial(stage.resumes)
    notes: list[str] = []
    if source != run:
        remove(folder)
        (source.path / partial(stage.resumes)).rename(folder)
        notes.append(f"took over the unfinished {stage.name} of run {source.name}")
    for number, path in newest_first(folder):
        problem = problem_of(path)
        if not problem:
            _cut_log(folder / LOG, number)
            return Checkpoint(f"{partial(stage.resumes)}/{path.name}", number), notes
        notes.append(f"{path.name} is incomplete ({problem}): it was removed")
        remove(path)
    return None, [*notes, f"no complete checkpoint is left: {stage.name} starts over"]


def closing(run: Run, stage: Stage, command: Command, key: str) -> tuple[Stage, Command]:
    """What makes a training that was asked to end early write its result: one step more from its checkpoint.

    A training of several processes saves a checkpoint when asked to end, and then reports failure (torchrun).
    Resumed to the next step, the trainer itself writes the adapter and its curves.

    Raises:
        StageFailed: it left no complete checkpoint.
    """
    found, _ = last_checkpoint(run, stage, key)
    if found is None:
        what = "the training saved nothing when it was asked to end early"
        hint = "set train.plateau to 0, or save more often (train.save_steps)"
        raise StageFailed(Problem(what, str(run.path / "logs" / f"{stage.name}.log"), hint))
    return replace(stage, plateau=0.0), resumed(command, found.path, last_step=found.step + 1)


def problem_of(folder: Path) -> str:
    """What keeps a training from resuming from a checkpoint; "" when it is complete."""
    if (folder / _UNFINISHED).exists():
        return "saving it was interrupted"
    step = int(folder.name.rpartition("-")[2])
    try:
        state = json.loads((folder / "trainer_state.json").read_bytes())
        if not isinstance(state, dict) or state.get("global_step") != step:
            return f"trainer_state.json is not of step {step}"
    except (OSError, ValueError):
        return "trainer_state.json is missing or truncated"
    random = [path.name for path in folder.glob("rng_state*.pth")]
    for name in (*_ARCHIVES, *(sorted(random) or ["rng_state.pth"])):
        if not (folder / name).is_file():
            return f"{name} is missing"
        if not zipfile.is_zipfile(folder / name):
            return f"{name} is truncated"
    return _weights_problem(folder)


def _weights_problem(folder: Path) -> str:
    if not (folder / "adapter_config.json").exists():
        problems = model_problems(folder)
        return problems[0].what if problems else ""
    try:
        json.loads((folder / "adapter_config.json").read_bytes())
        read_header(folder / "adapter_model.safetensors")
    except ConchError as error:
        return f"adapter_model.safetensors {error.problems[0].what}"
    except (OSError, ValueError):
        return "adapter_config.json is truncated"
    return ""


def _unfinished_run(run: Run, stage: Stage, key: str) -> Run | None:
    """The run whose last attempt at this stage had this key and left output; this run before others."""
    for other in (run, *reversed(Run.all(run.project, run.recipe))):
        if (other.path / partial(stage.resumes)).is_dir() and _last_key(other, stage.name) == key:
            return other
    return None


def _last_key(run: Run, stage: str) -> str:
    begun = [e for e in run.events() if e.get("event") == "stage_begun" and e.get("stage") == stage]
    return str(begun[-1].get("key", "")) if begun else ""


def newest_first(folder: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint in an existing folder, complete or not."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir() if path.is_dir())
    return sorted(((int(name[1]), path) for name, path in named if name), reverse=True)


def _cut_log(log: Path, step: int) -> None:
    """Remove the steps that will be trained again, and the closing line, so that a curve never runs back."""
    if not log.is_file():
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    steps = ((read_log_line(line), line) for line in lines)
    rest = [
        line
        for one, line in steps
        if one and one.step <= step and (one.loss is not None or one.eval_loss is not None)
    ]
    write_durable(log, "".join(line + "\n" for line in rest))
