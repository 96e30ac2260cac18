"""The cache: complete repositories under their names, and what is needed on the way there.

CACHE/NAME is complete and has a manifest. CACHE/.partial/NAME is being downloaded, CACHE/.quarantine keeps
files that failed verification, CACHE/.locks keeps two processes from working on one name.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host import signals
from orchestrator.execute.host.atomic_files import remove, sync_folder, sync_tree
from orchestrator.execute.host.file_lock import queued
from orchestrator.execute.models.hub.protocol import Progress, RemoteFile, human

SPARE_DISK = 256_000_000


@dataclass(frozen=True, slots=True)
class ModelCache:
    """A folder of CONCH_HOME: models or datasets."""

    folder: Path

    def partial(self, name: str) -> Path:
        """The folder of an unfinished download; created if needed."""
        folder = self.folder / ".partial" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def quarantine(self, path: Path) -> Path:
        """Move a file or folder out of the way and keep it; returns where it is now."""
        to = self.folder / ".quarantine" / time.strftime("%Y%m%d-%H%M%S", time.gmtime()) / path.name
        while to.exists():
            to = to.with_name(to.name + "~")
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
        return to

    def publish(self, name: str) -> bool:
        """Rename the finished download; False when the name already exists."""
        sync_tree(self.partial(name))
        try:
            self.partial(name).rename(self.folder / name)
        except OSError:
            if not (self.folder / name).exists():
                raise
            return False
        sync_folder(self.folder)
        return True

    def exclusive(self, name: str, progress: Progress) -> AbstractContextManager[None]:
        """Hold the lock of one name; report when another process has it, and wait."""
        message = f"another process is downloading {name}; waiting for it"
        return queued(self.folder / ".locks" / f"{name}.lock", message, progress)


def check_disk(folder: Path, files: Sequence[RemoteFile]) -> None:
    """Raise MissingError when the rest of a download does not fit on the disk."""
    here = sum((folder / file.path).stat().st_size for file in files if (folder / file.path).is_file())
    need, free = sum(file.size for file in files) - here + SPARE_DISK, shutil.disk_usage(folder).free
    if need > free:
        what = f"not enough disk space: {human(need)} needed, {human(free)} free"
        raise MissingError(
            Problem(what, where=str(folder), hint="free space, or set CONCH_HOME to a larger disk")
        )


def compare(path: Path, file: RemoteFile) -> tuple[str, str]:
    """The sha256 of a file ("" when it is missing), and how it differs from the listing ("" if not)."""
    if not path.is_file():
        return "", "was not downloaded"
    size = path.stat().st_size
    sha256, git = hashlib.sha256(), hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
    with path.open("rb", buffering=0) as content:
        while chunk := content.read(1 << 20):
            sha256.update(chunk)
            if file.git:
                git.update(chunk)
            signals.check()
    found = sha256.hexdigest()
    if size != file.size:
        return found, f"has {size} bytes, the hub lists {file.size}"
    if file.sha256 and found != file.sha256.lower():
        return found, f"has sha256 {found[:16]}…, the hub lists {file.sha256[:16]}…"
    if file.git and git.hexdigest() != file.git.lower():
        return found, f"has git hash {git.hexdigest()[:16]}…, the hub lists {file.git[:16]}…"
    return found, ""


def forget_torn(folder: Path) -> None:
    """Remove the partial files of a killed download that cannot be resumed: the library names new ones."""
    for path in (folder / ".cache" / "huggingface").rglob("*.incomplete"):
        remove(path)


def drop_others(folder: Path, names: set[str]) -> None:
    """Remove everything but the named files."""
    remove(folder / ".cache")
    for path in list(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in names:
            path.unlink()
