"""Durable files: hashes, atomic writes, outputs renamed into place, removal that never follows a link.

Covered: a crash or a full disk at any moment leaves the old file or the new one, never a mixture. Not
covered: file systems that ignore fsync.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from orchestrator.errors import ConchError, MissingError, Problem, StageFailed, is_disk_full
from orchestrator.execute.host import signals
from orchestrator.plan.stage import partial

CHUNK = 1 << 20


def open_regular(path: Path, *, follow: bool = True, buffering: int = -1) -> IO[bytes]:
    """Open a file to read it, never a pipe, a socket or a device: those block, end never, or act when opened.

    Raises:
        OSError: it cannot be opened, or it is something else than a file (also with `follow` off: a link).
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _not_a_file(path) from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise _not_a_file(path, folder=stat.S_ISDIR(mode))
    return open(descriptor, "rb", buffering)  # noqa: PTH123  it is open already


def _not_a_file(path: Path, *, folder: bool = False) -> OSError:
    if folder:
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return OSError(errno.EINVAL, "it is a pipe, a socket or a device, not a file", str(path))


def read_regular(path: Path) -> bytes:
    """All bytes of a file; raises as open_regular."""
    with open_regular(path) as file:
        return file.read()


def sha256_file(path: Path) -> str:
    """`sha256:<hex>` of a file's bytes. Raises OSError, and Interrupted on a signal."""
    digest = hashlib.sha256()
    with open_regular(path, buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            signals.check()
    return "sha256:" + digest.hexdigest()


def sha256_tree(folder: Path) -> str:
    """`sha256:<hex>` over the relative names and contents of every file below a folder, links followed.

    Names of the folder itself, times and modes are not included, so a copy has the same hash.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_files(folder)):
        digest.update(f"{len(name.encode())} {name}\n{sha256_file(path)}\n".encode())
    return "sha256:" + digest.hexdigest()


def sha256_path(path: Path) -> str:
    """The hash of a file or of a folder's tree; "" for a missing path."""
    if path.is_dir():
        return sha256_tree(path)
    return sha256_file(path) if path.exists() else ""


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in names:
            path = Path(parent, name)
            yield path.relative_to(folder).as_posix(), path


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None if there is none."""
    try:
        return dict(json.loads(read_regular(path)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def read_text(path: Path) -> str | None:
    """The text of a file with its own line ends; None if it does not exist."""
    return read_regular(path).decode("utf-8", "replace") if path.is_file() else None


def write_durable(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace `path` atomically: temporary file, fsync, rename, fsync of the folder.

    Its folder is created if needed; `mode` applies from the file's creation on, before the umask. Raises
    StageFailed on a full disk; the old file is then unchanged.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove(temporary)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise write_error(error, path) from error


def append_durable(path: Path, line: bytes, *, sync: bool) -> None:
    """Append one line in one write; a line that a crash cut off is ended first."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
            _write_all(descriptor, (b"\n" if torn else b"") + line + b"\n")
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise write_error(error, path) from error


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def write_error(error: OSError, path: Path) -> ConchError:
    """The error of a file that could not be written: StageFailed for a full disk, otherwise MissingError."""
    if is_disk_full(error.errno):
        hint = f"free space on the disk of {path.parent}, then run the same command again"
        return StageFailed(Problem(f"disk full: {error.strerror}", str(path), hint))
    return MissingError(Problem(f"cannot write: {error.strerror}", str(path)))


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system without fsync of folders
            raise
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Make a file, or every file and folder below a folder, durable."""
    if not path.is_dir():
        _sync_file(path)
        return
    for parent, _, names in os.walk(path):
        for name in names:
            _sync_file(Path(parent, name))
        sync_folder(Path(parent))


def _sync_file(path: Path) -> None:
    if path.is_symlink() or not path.is_file():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _has_content(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and path.stat().st_size > 0


def rename_outputs(folder: Path, outputs: Sequence[str]) -> None:
    """Rename every partial output, durably; an earlier output of that name is removed.

    If one is missing or empty, nothing is renamed: an exit code of 0 alone is not success.
    """
    missing = [name for name in outputs if not _has_content(folder / partial(name))]
    if missing:
        raise StageFailed(
            *(Problem("the command succeeded but did not create it", where=name) for name in missing)
        )
    try:
        for name in outputs:
            sync_tree(folder / partial(name))
        for name in outputs:
            remove(folder / name)
            (folder / partial(name)).rename(folder / name)
        for parent in {(folder / name).parent for name in outputs}:
            sync_folder(parent)
    except OSError as error:
        raise write_error(error, folder) from error


def remove(path: Path) -> None:
    """Remove a file, a link (not its target) or a folder; missing paths are ignored."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    import shutil  # not at the top: most verbs remove nothing

    try:
        shutil.rmtree(path)
    except PermissionError:  # packages ship read-only folders
        _make_writable(path)
        shutil.rmtree(path)


def _make_writable(folder: Path) -> None:
    folder.chmod(0o700)
    for parent, names, _ in os.walk(folder):
        for name in names:
            if not Path(parent, name).is_symlink():
                Path(parent, name).chmod(0o700)


def link_tree(source: Path, target: Path) -> None:
    """Copy a folder with hard links (copies where the file system cannot link).

    Links inside the source become the files they point to. The target must not exist; it appears complete.
    Writing into a linked file changes both, so use it for folders that are only read or replaced.
    """
    temporary = target.with_name(target.name + ".partial-link")
    remove(temporary)
    temporary.mkdir(parents=True)
    for name, path in _files(source):
        link = temporary / name
        link.parent.mkdir(parents=True, exist_ok=True)
        _link(path.resolve(strict=True), link)
        signals.check()
    temporary.rename(target)
    sync_folder(target.parent)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
            raise
        import shutil

        shutil.copy2(source, target)
