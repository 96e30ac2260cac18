"""Files that survive: hashes, durable writes, outputs that appear whole, removal that never follows a link.

Covered: a crash or a full disk at any moment leaves the old file or the new one, never a mixture. Not
covered: file systems that lie about fsync.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestrator.errors import ConchError, MissingError, Problem, StageFailed
from orchestrator.execute.host import signals
from orchestrator.plan.stage import partial

CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """`sha256:<hex>` of a file's bytes; raises OSError. Ends early when a signal asks for it."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            signals.check()
    return "sha256:" + digest.hexdigest()


def sha256_tree(folder: Path) -> str:
    """`sha256:<hex>` over the relative names and contents of every file below a folder, links followed.

    The folder's own name, times and modes do not count, so that a copy hashes the same.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_files(folder)):
        digest.update(f"{len(name.encode())} {name}\n{sha256_file(path)}\n".encode())
    return "sha256:" + digest.hexdigest()


def sha256_path(path: Path) -> str:
    """The hash of a file or of a folder's tree; "" when there is nothing at that path."""
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
    """A JSON object; None where there is none."""
    try:
        return dict(json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def read_text(path: Path) -> str | None:
    """The text of a file, line ends as they are; None where there is no such file."""
    return path.read_bytes().decode("utf-8", "replace") if path.is_file() else None


def write_durable(path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
    """Replace `path` by a file with this content: temporary file, fsync, rename, fsync of the folder.

    Args:
        path: its folder is made when it is not there.
        content: text is written as UTF-8.
        mode: of the new file, before the umask; it holds from the file's creation on.

    Raises:
        StageFailed: the disk is full; the old file is untouched.
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
        raise _explained(error, path) from error


def append_durable(path: Path, line: bytes, *, sync: bool) -> None:
    """Append one line by one write; a line that a crash tore before it is closed off, not joined to.

    Raises:
        StageFailed: the disk is full.
    """
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
        raise _explained(error, path) from error


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _explained(error: OSError, path: Path) -> ConchError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = f"free space on the disk of {path.parent}, then type the same command again"
        return StageFailed(Problem(f"disk full: {error.strerror}", where=str(path), hint=hint))
    return MissingError(Problem(f"cannot write: {error.strerror}", where=str(path)))


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


def missing_outputs(folder: Path, outputs: Sequence[str]) -> list[str]:
    """The outputs whose partial is not there, or is an empty folder or file: a child's 0 is not success."""
    return [name for name in outputs if not _has_content(folder / partial(name))]


def _has_content(path: Path) -> bool:
    if path.is_dir():
        return any(path.iterdir())
    return path.is_file() and path.stat().st_size > 0


def rename_outputs(folder: Path, outputs: Sequence[str]) -> None:
    """Give every partial output its name, durably; an earlier output of that name goes.

    Raises:
        StageFailed: an output is missing or empty, and then nothing was renamed; or the disk is full.
    """
    missing = missing_outputs(folder, outputs)
    if missing:
        raise StageFailed(
            *(Problem("the command succeeded but did not make it", where=name) for name in missing)
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
        raise _explained(error, folder) from error


def remove(path: Path) -> None:
    """Remove a file, a link (never what it points to) or a whole folder; nothing there is no error."""
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
    """A copy of a folder whose files are hard links (real copies where the file system cannot link).

    Links inside the source become the files they point to. The target must not exist; it appears whole.
    Whoever writes into a linked file changes both: for folders that are only read or replaced.
    """
    temporary = target.with_name(target.name + ".partial-link")
    remove(temporary)
    temporary.mkdir(parents=True)
    for name, path in _files(source):
        place = temporary / name
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(path.resolve(strict=True), place)
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
