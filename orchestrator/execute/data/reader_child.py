"""The child that reads data files with limits, and without a network. reader_process.py starts it.

It gets a Request for each file as a line of JSON on standard input, and writes frames to standard output:
four bytes with the length, and one JSON object with the rows since the frame before and what else is new:

    rows     [[number, row], [number, null, [kind, what, hint, ends the file]], …]
    place    of the source, once it is open; opened: identifies the file; network: how it was given up
    notes    on how the file was read
    read     bytes of the file, while there are no rows
    end      there are no more rows
    error    [[what, where, hint], …]: a UsageError; refused: a RowProblem of the whole file
    memory   the memory is used up; bug: a traceback
"""

from __future__ import annotations

import gc
import io
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from orchestrator.datasets.base import FileProblem, Row, RowProblem
from orchestrator.datasets.json_text import too_long
from orchestrator.datasets.rows import as_row
from orchestrator.errors import UsageError
from orchestrator.execute.data.file_source import OneFile, opened
from orchestrator.execute.data.readers.base import Limits, Reading
from orchestrator.execute.processes import child_limits, no_network

LENGTH = 4
# A frame is sent when its rows have so many bytes, or after so many seconds.
FRAME, SECONDS = 1 << 16, 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """What the child reads: the fields of OneFile, the path absolute."""

    path: str
    name: str
    shown: str
    size: int
    reading: Reading

    def to_json(self) -> bytes:
        """A line of standard input."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def parse(cls, text: bytes) -> Request:
        """From a line of standard input."""
        values = orjson.loads(text)
        return cls(**{**values, "reading": Reading(**values["reading"])})


@dataclass
class Frames:
    """Writes rows as frames."""

    limits: Limits
    write: Callable[[bytes], object]
    notes: list[str] = field(default_factory=list)
    _rows: list[bytes] = field(default_factory=list)
    _size: int = 0
    _total: int = 0
    _noted: int = 0
    _sent: float = field(default_factory=time.monotonic)

    def row(self, number: int, row: Row | RowProblem) -> bool:
        """Send a row, now or later; False if it is the last because of a limit."""
        data = row if isinstance(row, RowProblem) else _encoded(row)
        self._total += 0 if isinstance(data, RowProblem) else len(data)
        if not isinstance(data, RowProblem) and len(data) > self.limits.row:
            data = too_long("a row", self.limits.row)
        elif self._total > self.limits.total:
            data = self.limits.exceeded()
        if isinstance(data, RowProblem):
            self._rows.append(orjson.dumps([number, None, _told(data)]))
            going_on = data is row
        else:
            self._rows.append(b"[%d,%s]" % (number, data))
            going_on = True
        self._size += len(self._rows[-1])
        if self._size >= FRAME or self._late():
            self.send()
        return going_on

    def report(self, read: int) -> None:
        """Send, now and then, how much was read."""
        if self._late():
            self.send(read=read)

    def send(self, **more: object) -> None:
        """Send a frame; the processor time for the next begins."""
        notes, self._noted = self.notes[self._noted :], len(self.notes)
        rest = orjson.dumps({**more, "notes": notes} if notes else more)[1:]
        body = b'{"rows":[' + b",".join(self._rows) + (b"]," if len(rest) > 1 else b"]") + rest
        self.write(len(body).to_bytes(LENGTH, "big") + body)
        self._rows, self._size, self._sent = [], 0, time.monotonic()
        child_limits.limit_processor(self.limits.seconds)

    def _late(self) -> bool:
        return time.monotonic() - self._sent > SECONDS


class _KeptOpen(io.FileIO):
    """A file that is not closed when a wrapper of it is deleted."""

    def close(self) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Close it."""
        super().close()


def _told(problem: RowProblem) -> list[object]:
    return [problem.kind, problem.what, problem.hint, isinstance(problem, FileProblem)]


def _encoded(row: Row) -> bytes | RowProblem:
    try:
        return orjson.dumps(row, default=_named, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        told = as_row(row)
        return told if isinstance(told, RowProblem) else RowProblem("shape", "the row is not JSON")


def _named(value: object) -> object:
    """A value that JSON lacks, as an object with its type, so that nothing takes it for a text.

    >>> _named(b"PNG")
    {'bytes': 3}
    """
    if isinstance(value, bytes):
        return {"bytes": len(value)} if value else None
    return {type(value).__name__: str(value)}


def read(request: Request, frames: Frames) -> None:
    """Send the rows of a file."""
    raw = _KeptOpen(request.path)
    try:
        # The parsers open what is open, also if the path has come to name another file.
        path = Path(f"/proc/self/fd/{raw.fileno()}")
        file = OneFile(path, request.name, request.shown, request.size, request.reading)
        source, rows = opened(raw, file, frames.notes, frames.report)
        frames.send(place=source.place, opened=identity(raw.fileno()))
        for number, row in rows:
            if not frames.row(number, row):
                break
        frames.send(end=True)
    finally:
        raw.end()


def identity(descriptor: int) -> list[int]:
    """What two descriptors of one file share."""
    found = os.fstat(descriptor)
    return [found.st_dev, found.st_ino]


def main(parent: int) -> None:
    """Read the files that standard input names, one after the other.

    Args:
        parent: the process without which this one ends.
    """
    child_limits.die_with(parent)
    gc.disable()  # rows and elements have no cycles, but are many
    child_limits.limit(resource.RLIMIT_CORE, 0)
    try:
        network = no_network.leave()
    except OSError:
        network = ""
    Frames(Limits(), _write).send(network=network)
    for line in sys.stdin.buffer:
        _serve(Request.parse(line))


def _serve(request: Request) -> None:
    limits = Limits.of(request.size, request.reading.limits)
    child_limits.limit(resource.RLIMIT_DATA, limits.memory)
    child_limits.limit_processor(limits.seconds)
    frames = Frames(limits, _write)
    used_up = False
    try:
        read(request, frames)
    except UsageError as error:
        frames.send(error=[[problem.what, problem.where, problem.hint] for problem in error.problems])
    except RowProblem as problem:
        frames.send(refused=_told(problem))
    except MemoryError:
        used_up = True
    except BrokenPipeError:  # the parent has read enough
        sys.exit(1)
    except Exception:  # noqa: BLE001 - the parent reports it
        import traceback

        frames.send(bug=traceback.format_exc())
    if used_up:  # here what filled it is released
        frames.send(memory=True)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main(int(sys.argv[1]))
