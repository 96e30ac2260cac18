"""A file that appears under its name only when it is whole: written beside it first, then renamed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from orchestrator.errors import BusyError, ConchError, MissingError, Problem, StageFailed, UsageError
from orchestrator.execute.host.atomic_files import sync_folder

# A block that stays in the processor's cache until it is hashed and written.
AT_ONCE = 1 << 16


class OutputFile:
    """A new file, hashed while it is written. Left by an exception, or never finished, it was never there.

    Attributes:
        write: appends bytes, which lie in memory until a block has come together. Raises StageFailed when
            the disk is full.

    What a kill leaves has a name of its own, `.NAME.partial`, and is overwritten by the next attempt.
    """

    write: Callable[[bytes], int]

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name[:200]}.partial")
        self._raw = _Hashed(path)
        self._buffer = io.BufferedWriter(self._raw, AT_ONCE)

    @classmethod
    def create(cls, path: Path, *, force: bool = False) -> Self:
        """Begin a file; close it by `with`, and give it its name by `finish`.

        Raises:
            UsageError: something of that name is there, and `force` is not given; or it is a folder.
            BusyError: another process is writing it. MissingError: its folder cannot be written to.
        """
        if path.is_dir():
            raise UsageError(Problem("is a folder", str(path), "name a file"))
        if not force and path.exists():
            raise UsageError(Problem("is there already", str(path), "name another file, or add --force"))
        made = cls(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(made.partial, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise explained(error, path) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
        except BlockingIOError:
            os.close(descriptor)
            raise BusyError(Problem("another process is writing it", str(path), "wait for it")) from None
        made._raw.descriptor = descriptor
        # As short as it can be: it is called for every row.
        made.write = made._buffer.write
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._raw.descriptor >= 0:
            self.partial.unlink(missing_ok=True)
            self._raw.end()

    def finish(self) -> str:
        """Make it durable, and give it its name; returns `sha256:<hex>` of what was written.

        Raises:
            StageFailed: the disk is full.
        """
        self._buffer.flush()
        try:
            os.fsync(self._raw.descriptor)
            self.partial.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise explained(error, self.path) from None
        self._raw.end()
        return "sha256:" + self._raw.digest.hexdigest()


class _Hashed(io.RawIOBase):
    """Writes to a descriptor, and hashes what it wrote; nothing at all once that was closed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.descriptor, self.digest = path, -1, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Write all of it; raises StageFailed when the disk is full."""
        view = memoryview(data).cast("B")
        size = len(view)
        if self.descriptor < 0:
            return size
        self.digest.update(view)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError as error:
            raise explained(error, self.path) from None
        return size

    def end(self) -> None:
        """Close the descriptor; what the buffer still holds goes nowhere."""
        os.close(self.descriptor)
        self.descriptor = -1


def explained(error: OSError, path: Path) -> ConchError:
    """What went wrong with a file that is written, and what fixes it."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = f"free space on the disk of {path.parent}, then type the same command again"
        return StageFailed(Problem(f"disk full: {error.strerror}", str(path), hint))
    return MissingError(Problem(f"cannot be written: {error.strerror}", str(path), "name another place"))
