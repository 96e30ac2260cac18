"""The checkpoints of an interrupted training: which are whole, and going on from the last of those.

A checkpoint that was being saved when its trainer died looks like any other by its name, and the trainer
itself takes the largest number (transformers issues 35782, 35525). Here one is whole when every file that a
training needs to go on is there and reaches to its end: a safetensors file says in its header how long it is,
and torch's files are zip archives, whose directory is written last. Not covered: bits that flipped on the
disk; the optimizer's pieces of DeepSpeed and FSDP, without which a training begins anew.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.backends.trainer_log import read_log_line
from orchestrator.errors import ConchError
from orchestrator.execute.host.atomic_files import remove, write_durable
from orchestrator.execute.models.model_folder import model_problems, read_header
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.plan.stage import partial

LOG = "trainer_log.jsonl"
_NAME = re.compile(r"checkpoint-(\d+)")
# Put there while a checkpoint is saved because the trainer was asked to end (trainer_jit_checkpoint.py).
_UNFINISHED = "checkpoint-is-incomplete.txt"
_ARCHIVES = ("optimizer.pt", "scheduler.pt")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint.

    Attributes:
        path: run-relative.
        step: after which it was saved.
    """

    path: str
    step: int


def go_on(run: Run, stage: str, output: str, key: str) -> tuple[Checkpoint | None, list[str]]:
    """The checkpoint from which a stage goes on, everything behind it cleared away.

    Only what a stage with this very key left is gone on from: in this run, or in an earlier one of the
    recipe, whose unfinished output is moved here then.

    Args:
        run: where the stage is about to run.
        stage: its name.
        output: of the stage; its partial holds the checkpoints.
        key: the stage's.

    Returns:
        the checkpoint, None when there is no whole one; and what a person should know, a sentence each.
    """
    source = _left_by(run, stage, output, key)
    if source is None:
        return None, []
    folder = run.path / partial(output)
    notes: list[str] = []
    if source != run:
        remove(folder)
        (source.path / partial(output)).rename(folder)
        notes.append(f"took the unfinished {stage} of run {source.name}")
    found = None
    for number, path in newest_first(folder):
        wrong = problem_of(path)
        if not wrong:
            found = Checkpoint(f"{partial(output)}/{path.name}", number)
            break
        notes.append(f"{path.name} is not whole ({wrong}): it was removed")
        remove(path)
    if found is None:
        notes.append(f"no whole checkpoint was left: {stage} begins anew")
    else:
        _cut_log(folder / LOG, found.step)
    return found, notes


def problem_of(folder: Path) -> str:
    """What keeps a training from going on from a checkpoint; "" when it is whole."""
    if (folder / _UNFINISHED).exists():
        return "it was being saved"
    step = int(folder.name.rpartition("-")[2])
    try:
        state = json.loads((folder / "trainer_state.json").read_bytes())
        if not isinstance(state, dict) or state.get("global_step") != step:
            return f"trainer_state.json is not of step {step}"
    except (OSError, ValueError):
        return "trainer_state.json is missing or torn"
    random = [path.name for path in folder.glob("rng_state*.pth")]
    for name in (*_ARCHIVES, *(sorted(random) or ["rng_state.pth"])):
        if not (folder / name).is_file():
            return f"{name} is missing"
        if not zipfile.is_zipfile(folder / name):
            return f"{name} is cut short"
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
        return "adapter_config.json is torn"
    return ""


def _left_by(run: Run, stage: str, output: str, key: str) -> Run | None:
    """The run whose last attempt at this stage had this key and left something; this one before others."""
    for other in (run, *reversed(Run.all(run.project, run.recipe))):
        if (other.path / partial(output)).is_dir() and _last_key(other, stage) == key:
            return other
    return None


def _last_key(run: Run, stage: str) -> str:
    begun = [e for e in run.events() if e.get("event") == "stage_begun" and e.get("stage") == stage]
    return str(begun[-1].get("key", "")) if begun else ""


def newest_first(folder: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint, whole or not, that lies in a folder that is there."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir() if path.is_dir())
    return sorted(((int(name[1]), path) for name, path in named if name), reverse=True)


def _cut_log(log: Path, step: int) -> None:
    """Leave out the steps that will be trained once more, and the closing line: a curve must not run back."""
    if not log.is_file():
        return
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = ((read_log_line(line), line) for line in lines)
    steps = ((one, line) for one, line in told if one is not None and one.step <= step)
    kept = [line for one, line in steps if one.loss is not None or one.eval_loss is not None]
    write_durable(log, "".join(line + "\n" for line in kept))
