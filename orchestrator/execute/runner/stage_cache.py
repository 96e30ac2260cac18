"""Take over what an earlier run of the recipe already made, when its inputs are the same."""

from __future__ import annotations

import shutil

from orchestrator.execute.host import atomic_files
from orchestrator.execute.run_store.fingerprint import fingerprint
from orchestrator.execute.run_store.run_folder import Run, StageRecord
from orchestrator.plan.stage import Stage


def adopt(stage: Stage, key: str, run: Run) -> str:
    """Link the outputs of a stage with this key from another run into this one.

    So changing a check does not train again. Folders with links (inputs/) are cheap to make and not reused.

    Returns:
        why the stage can be skipped; "" if there is nothing to reuse.
    """
    for other in reversed(Run.all(run.project, run.recipe)):
        record = other.stage_record(stage.name) if other != run else None
        if record is not None and record.key == key and stage.outputs and _intact(other, record):
            for name in stage.outputs:
                _take(other, run, name)
            return f"reused from run {other.name}"
    return ""


def _intact(other: Run, record: StageRecord) -> bool:
    paths = [other.path / name for name in record.outputs]
    if any(path.is_dir() and any(one.is_symlink() for one in path.iterdir()) for path in paths):
        return False
    return all(fingerprint(other.path / name) == found for name, found in record.outputs.items())


def _take(other: Run, run: Run, name: str) -> None:
    source, target = other.path / name, run.path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.remove(target)
    if source.is_dir():
        atomic_files.link_tree(source, target)
    else:
        shutil.copy2(source, target)
