"""Compressed files: unpacked as a stream, never into memory or onto the disk, whatever they unpack to."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import IO, cast

from orchestrator.datasets.base import FileProblem
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError

ZIP = ".zip"
BUFFER = 1 << 16
# Files that lie beside the rows and are none.
ABOUT = ("readme", "license", "licence", "dataset_info.json", ".gitattributes")
DAMAGE = (
    EOFError,
    OSError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    RuntimeError,
)


def _zst(file: IO[bytes]) -> IO[bytes]:
    # The reader of the package zstandard ends at the end of a file that was cut off, without a word.
    import pyarrow as pa

    return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"))


# One line a format.
PACKED: Mapping[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    ".bz2": lambda file: cast("IO[bytes]", bz2.BZ2File(file)),
    ".xz": lambda file: cast("IO[bytes]", lzma.LZMAFile(file)),  # noqa: SIM115 - the file is not ours to close
    ".zst": _zst,
}


def unpacked(file: IO[bytes], suffix: str) -> IO[bytes]:
    """The bytes inside a file of one of the suffixes of PACKED."""
    return cast("IO[bytes]", io.BufferedReader(cast("io.RawIOBase", PACKED[suffix](file)), BUFFER))


def is_about(name: str) -> bool:
    """Whether a file lies beside data without being data: hidden, a README, a licence."""
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return hidden or path.name.lower().startswith(ABOUT)


def member_of(file: IO[bytes], shown: str, suffixes: tuple[str, ...]) -> tuple[str, Callable[[], IO[bytes]]]:
    """The one data file inside a zip: its name, and what opens it.

    Raises:
        UsageError: it is no zip, is locked, or holds no data file, or several.
    """
    try:
        archive = zipfile.ZipFile(file)
        found = [one for one in archive.infolist() if not one.is_dir() and not is_about(one.filename)]
    except DAMAGE as error:
        raise UsageError(Problem(f"it is no whole zip: {error}", shown, "fetch it anew")) from None
    data = [one for one in found if PurePosixPath(one.filename).suffix.lower() in suffixes]
    names = ", ".join(one.filename for one in (data or found)[:8])
    if len(data) != 1:
        what = f"it holds {len(data)} data files: {names or 'nothing'}"
        raise UsageError(Problem(what, shown, "unpack it, and name one of them"))
    if data[0].flag_bits & 1:
        raise UsageError(Problem("it is locked by a password", shown, "unpack it"))
    return data[0].filename, lambda: _opened(archive, data[0])


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(cast("io.RawIOBase", archive.open(member)), BUFFER))


def until_damaged(rows: Iterator[Numbered]) -> Iterator[Numbered]:
    """The rows; where the file cannot be unpacked further, that is the last one."""
    number = 0
    try:
        for number, row in rows:
            yield number, row
    except DAMAGE as error:
        what = f"the file cannot be unpacked after this row: {error}"
        yield number + 1, FileProblem("damaged file", what, "fetch it anew")
