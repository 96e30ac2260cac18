"""Compressed files, decompressed as a stream: never into memory or to the disk."""

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

from orchestrator.datasets.base import FileProblem, RowProblem
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.readers.base import Limits, Metered

ZIP = ".zip"
BUFFER = 1 << 16
# Files beside the rows that are not data.
ABOUT = ("readme", "license", "licence", "dataset_info.json", ".gitattributes")
DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)


def _zst(file: IO[bytes]) -> IO[bytes]:
    # The package zstandard does not report a file that is cut off.
    import pyarrow as pa

    return cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd"))


# To add a format, add its line.
PACKED: Mapping[str, Callable[[IO[bytes]], IO[bytes]]] = {
    ".gz": lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file)),
    ".bz2": lambda file: cast("IO[bytes]", bz2.BZ2File(file)),
    ".xz": lambda file: cast("IO[bytes]", lzma.LZMAFile(file)),  # noqa: SIM115 - the file is not ours to close
    ".zst": _zst,
}


def unpacked(file: IO[bytes], suffix: str, limits: Limits) -> io.BufferedReader:
    """The decompressed bytes of a file with a suffix in PACKED."""
    return io.BufferedReader(Metered(PACKED[suffix](file).read, limits), BUFFER)


def is_about(name: str) -> bool:
    """Whether a file beside data is not data: hidden, a README, a licence."""
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return hidden or path.name.lower().startswith(ABOUT)


def member_of(
    file: IO[bytes], shown: str, suffixes: tuple[str, ...], limits: Limits
) -> tuple[str, Callable[[], io.BufferedReader]]:
    """The one data file in a zip: its name, and a function that opens it.

    Raises:
        UsageError: the zip is damaged or locked, or has no data file or several.
    """
    try:
        archive = zipfile.ZipFile(file)
        found = [one for one in archive.infolist() if not one.is_dir() and not is_about(one.filename)]
    except DAMAGE as error:
        raise UsageError(Problem(f"the zip is damaged: {error}", shown, "download it again")) from None
    data = [one for one in found if PurePosixPath(one.filename).suffix.lower() in suffixes]
    names = ", ".join(one.filename for one in (data or found)[:8])
    if len(data) != 1:
        what = f"the zip contains {len(data)} data files: {names or 'nothing'}"
        raise UsageError(Problem(what, shown, "unpack it, and use one of them"))
    if data[0].flag_bits & 1:
        raise UsageError(Problem("the zip is locked with a password", shown, "unpack it"))
    return data[0].filename, lambda: io.BufferedReader(Metered(archive.open(data[0]).read, limits), BUFFER)


def until_damaged(rows: Iterator[Numbered]) -> Iterator[Numbered]:
    """The rows; the last one is a problem if the file cannot be decompressed, or not any further."""
    number = 0
    try:
        for number, row in rows:
            yield number, row
    except RowProblem as problem:
        yield number + 1, problem
    except DAMAGE as error:
        what = f"cannot decompress the file after this row: {error}"
        yield number + 1, FileProblem("damaged file", what, "download it again")
