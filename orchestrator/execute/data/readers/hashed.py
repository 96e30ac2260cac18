"""A file that is hashed while it is read, in whatever order."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 16


class HashedFile(io.RawIOBase):
    """A file's bytes; each is hashed once, when it comes next.

    It may be wrapped more than once: what wraps it closes itself only, and `end` closes the file.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._digest = hashlib.sha256()
        self._at = self._hashed = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = self._file.seek(offset, whence)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read the next bytes, and hash those that come right after what is hashed."""
        view = memoryview(buffer)
        count = self._file.readinto(view) or 0
        start = self._hashed - self._at
        if 0 <= start < count:
            self._digest.update(view[start:count])
            self._hashed = self._at + count
        self._at += count
        return count

    def close(self) -> None:
        """Do nothing: a wrapper calls it when it is thrown away."""

    def end(self) -> None:
        """Close the file."""
        self._file.close()

    def sha256(self) -> str:
        """The hash of the whole file, also of what was not read."""
        self.seek(self._hashed)
        while self.read(BLOCK):
            pass
        return "sha256:" + self._digest.hexdigest()
