"""A file that is hashed while it is read, in any order."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, cast

from orchestrator.execute.host.atomic_files import open_regular

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 16


class HashedFile(io.RawIOBase):
    """A file whose bytes are each hashed once.

    It may be wrapped more than once: closing a wrapper does not close the file, `end` does.
    """

    def __init__(self, path: Path) -> None:
        self._file = cast("io.FileIO", open_regular(path, buffering=0))
        self._digest = hashlib.sha256()
        self._at = self._hashed = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Its descriptor, for a child that reads the same file."""
        return self._file.fileno()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        self._at = self._file.seek(offset, whence)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes, and hash those that follow the hashed ones."""
        view = memoryview(buffer)
        count = self._file.readinto(view) or 0
        start = self._hashed - self._at
        if 0 <= start < count:
            self._digest.update(view[start:count])
            self._hashed = self._at + count
        self._at += count
        return count

    def close(self) -> None:
        """Do nothing: wrappers call this when they are deleted."""

    def end(self) -> None:
        """Close the file."""
        self._file.close()

    def sha256(self) -> str:
        """The hash of the whole file, including what was not read."""
        self.seek(self._hashed)
        while self.read(BLOCK):
            pass
        return "sha256:" + self._digest.hexdigest()
