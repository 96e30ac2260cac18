"""Whether a model folder still holds the very files that a certificate speaks of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.execute.models.model_folder import hash_files

HINT = "export and prove again: `conch run`"


def check_files(
    certificate_files: Mapping[str, str], folder: Path, progress: Callable[[str], None] = lambda _: None
) -> list[Problem]:
    """What was added, removed or changed since the certificate; [] when the folder is what was proven.

    Every file is read and hashed: size and times say nothing of a shard that was edited in place.

    Args:
        certificate_files: path in the folder → "sha256:…", as hash_files gives them.
        folder: the exported model.
        progress: told of each large file that is hashed.
    """
    if not folder.is_dir():
        return [Problem("the exported model is gone", str(folder), HINT)]
    try:
        now = hash_files(folder, progress)
    except OSError as error:
        return [Problem(f"cannot be read: {error.strerror}", str(error.filename or folder), HINT)]
    problems = []
    for name in sorted({*certificate_files, *now}):
        then, is_ = certificate_files.get(name, ""), now.get(name, "")
        if then == is_:
            continue
        what = "was changed after it was proven" if then and is_ else "was removed after it was proven"
        if not then:
            what = "was added after the proof"
        hashes = " → ".join(value.removeprefix("sha256:")[:12] for value in (then, is_) if value)
        problems.append(Problem(f"{what} ({hashes})", str(folder / name), HINT))
    return problems
