"""A shelf: the folder that holds whole things under their names, and the corners for what is not whole.

SHELF/NAME is whole and has a manifest. SHELF/.partial/NAME is on its way, SHELF/.quarantine holds what turned
out wrong and is kept for a look, SHELF/.locks keeps two processes from working on one name.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host import signals
from orchestrator.execute.host.atomic_files import remove, sync_folder, sync_tree
from orchestrator.execute.models.hub.names import Progress, RemoteFile, human

SPARE_DISK = 256_000_000


@dataclass(frozen=True, slots=True)
class ModelCache:
    """One of CONCH_HOME's folders, such as models."""

    folder: Path

    def partial(self, name: str) -> Path:
        """The folder in which a thing is put together; made when it is not there."""
        folder = self.folder / ".partial" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def quarantine(self, path: Path) -> Path:
        """Move a file or folder out of the way, kept for a look; returns where it is now."""
        to = self.folder / ".quarantine" / time.strftime("%Y%m%d-%H%M%S", time.gmtime()) / path.name
        while to.exists():
            to = to.with_name(to.name + "~")
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
        return to

    def publish(self, name: str) -> bool:
        """Give the partial its name; False when something already has it."""
        sync_tree(self.partial(name))
        try:
            self.partial(name).rename(self.folder / name)
        except OSError:
            if not (self.folder / name).exists():
                raise
            return False
        sync_folder(self.folder)
        return True

    @contextmanager
    def alone(self, name: str, progress: Progress) -> Iterator[None]:
        """Hold the lock of one name; say so while another process has it."""
        path = self.folder / ".locks" / f"{name}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"another process is fetching {name}; waiting for it")
            _acquire_patiently(lock)
        try:
            yield
        finally:
            lock.release()


def _acquire_patiently(lock: FileLock) -> None:
    while True:
        signals.check()
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            continue
        return


def check_disk(folder: Path, files: Sequence[RemoteFile]) -> None:
    """Raise MissingError, with both numbers, when the rest of a download does not fit."""
    here = sum((folder / file.path).stat().st_size for file in files if (folder / file.path).is_file())
    need, free = sum(file.size for file in files) - here + SPARE_DISK, shutil.disk_usage(folder).free
    if need > free:
        what = f"not enough disk: {human(need)} needed, {human(free)} free"
        raise MissingError(
            Problem(what, where=str(folder), hint="free space, or set CONCH_HOME to a larger disk")
        )


def compare(path: Path, file: RemoteFile) -> tuple[str, str]:
    """The sha256 of a file ("" when it is not there), and what is wrong with it ("" when nothing is)."""
    if not path.is_file():
        return "", "did not come"
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
    """Remove what a killed download left and nobody can go on with: the library names its pieces anew."""
    for path in (folder / ".cache" / "huggingface").rglob("*.incomplete"):
        remove(path)


def drop_others(folder: Path, names: set[str]) -> None:
    """Remove everything but the named files."""
    remove(folder / ".cache")
    for path in list(folder.rglob("*")):
        if path.is_file() and path.relative_to(folder).as_posix() not in names:
            path.unlink()
