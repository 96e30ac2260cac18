"""A file that appears under its name only when it is complete: written beside it, then renamed."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from orchestrator.errors import BusyError, Problem, UsageError
from orchestrator.execute.host.atomic_files import sync_folder, write_error
from orchestrator.execute.host.file_lock import lock_open_file

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# A block that stays in the processor's cache until it is hashed and written.
AT_ONCE = 1 << 16


class OutputFile:
    """A new file, hashed while it is written. It never appears if `finish` is not reached.

    Attributes:
        write: appends bytes, buffered in blocks. Raises StageFailed when the disk is full.

    A kill leaves `.NAME.partial`, which the next attempt overwrites.
    """

    write: Callable[[bytes], int]

    def __init__(self, path: Path) -> None:
        self.path = path
        self.partial = path.with_name(f".{path.name[:200]}.partial")
        self._raw = _Hashed(path)
        self._buffer = io.BufferedWriter(self._raw, AT_ONCE)

    @classmethod
    def create(cls, path: Path, *, force: bool = False) -> Self:
        """Open a new file; use it in a `with` block and complete it with `finish`.

        Raises UsageError if the file exists and `force` is not given, BusyError if another process is writing
        it.
        """
        if path.is_dir():
            raise UsageError(Problem("is a folder", str(path), "name a file"))
        if not force and path.exists():
            raise UsageError(Problem("already exists", str(path), "name another file, or add --force"))
        made = cls(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            while (descriptor := made._open_partial()) is None:
                pass
        except OSError as error:
            raise write_error(error, path) from None
        if not force and path.exists():  # published since
            made.partial.unlink()
            os.close(descriptor)
            raise UsageError(Problem("already exists", str(path), "name another file, or add --force"))
        made._raw.descriptor = descriptor
        # Not wrapped: it is called for every row.
        made.write = made._buffer.write
        return made

    def _open_partial(self) -> int | None:
        """The partial file, locked and empty; None if another process published or removed it meanwhile.

        A writer that ends renames its partial file, which may be open here by then: emptying it without
        looking would empty what was published.
        """
        descriptor = os.open(self.partial, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        if not lock_open_file(descriptor):
            os.close(descriptor)
            raise BusyError(Problem("another process is writing it", str(self.path), "wait for it"))
        if not _is_at(descriptor, self.partial):
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        return descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._raw.descriptor >= 0:
            self.partial.unlink(missing_ok=True)
            self._raw.end()

    def finish(self) -> str:
        """Flush it to disk and rename it; returns `sha256:<hex>` of its content."""
        self._buffer.flush()
        try:
            os.fsync(self._raw.descriptor)
            self.partial.replace(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise write_error(error, self.path) from None
        self._raw.end()
        return "sha256:" + self._raw.digest.hexdigest()


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


class _Hashed(io.RawIOBase):
    """Writes to a descriptor and hashes the data; does nothing after end()."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.descriptor, self.digest = path, -1, hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        """Write all bytes; raises StageFailed when the disk is full."""
        view = memoryview(data).cast("B")
        size = len(view)
        if self.descriptor < 0:
            return size
        self.digest.update(view)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError as error:
            raise write_error(error, self.path) from None
        return size

    def end(self) -> None:
        """Close the descriptor; later writes are dropped."""
        os.close(self.descriptor)
        self.descriptor = -1
