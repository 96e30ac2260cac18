"""Starts the child that reads data files (reader_child.py), and takes their rows.

The file is parsed by native or foreign code there, so a small file can neither crash this process nor exhaust
its memory: whatever becomes of the child is one sentence with the name of the file. The files of a folder
share one child.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from orchestrator.datasets.base import FileProblem, RowProblem
from orchestrator.datasets.json_text import RAISE_LIMITS
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data.file_source import OneFile
from orchestrator.execute.data.reader_child import LENGTH, Request, identity
from orchestrator.execute.processes import process_tree

# Between two calls of `waiting`, in milliseconds.
TICK = 200
# What a frame holds beside a row: others, notes.
SLACK = 8 << 20
OPEN_NETWORK = "read with access to the network: this kernel offers no way to give it up"
_ROOT = Path(__file__).parents[3]
_ENVIRONMENT = {
    "PYTHONPATH": str(_ROOT),
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Threads would need address space each, and its allocator reserves more than a small file needs.
    "OMP_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


class ReaderProcess:
    """A child that reads files, one after the other. End it: it may have rows left."""

    def __init__(self, notes: list[str], waiting: Callable[[str], None]) -> None:
        self._notes, self._waiting = notes, waiting
        self._child = subprocess.Popen(
            [sys.executable, "-m", "orchestrator.execute.data.reader_child", str(os.getpid())],
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C of the terminal is for the parent, which ends it
        )
        process_tree.reserved.add(self._child.pid)

    def rows(self, file: OneFile, descriptor: int) -> tuple[str, Iterator[Numbered]]:
        """What stands before a row's number in its location, and the rows; all of the file before are taken.

        Args:
            file: what to read.
            descriptor: of the same file, which is hashed.

        Raises:
            UsageError: the file is not what its suffix says, or the child crashed or reached a limit.
            RowProblem: the file cannot be read at all.
            Interrupted: while the child reads, a signal came.
        """
        self._file, self._read, self._rows = file, 0, 0
        path = str(file.path.absolute())
        request = Request(path, file.name, file.shown, file.size, file.reading)
        assert self._child.stdin is not None  # noqa: S101 - for mypy
        try:
            self._child.stdin.write(request.to_json())
            self._child.stdin.flush()
        except BrokenPipeError:
            raise self._crashed() from None
        while "place" not in (frame := self._frame()):
            pass
        if frame["opened"] != identity(descriptor):
            raise UsageError(Problem("the file was replaced while it was read", file.shown, "try again"))
        return str(frame["place"]), self._all_rows()

    def _all_rows(self) -> Iterator[Numbered]:
        while True:
            frame = self._frame()
            for number, row, *problem in frame["rows"]:
                self._rows += 1
                yield number, _problem(*problem[0]) if problem else row
            if "end" in frame:
                return

    def end(self) -> None:
        """Kill it, if it has rows left."""
        self._child.kill()
        self._child.wait()
        process_tree.reserved.discard(self._child.pid)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _frame(self) -> Mapping[str, Any]:
        """The next frame."""
        longest = self._file.limits.row + SLACK
        length = int.from_bytes(self._exactly(LENGTH), "big")
        if length > longest:
            raise self._failed("sent too long a row")
        try:
            frame: Mapping[str, Any] = orjson.loads(self._exactly(length))
            self._note(frame)
        except (ValueError, KeyError, TypeError) as error:
            raise self._failed("sent what is no row") from error
        if "bug" in frame:
            raise RuntimeError(frame["bug"])
        if "error" in frame:
            raise UsageError(*(Problem(*map(str, each)) for each in frame["error"]))
        if "refused" in frame:
            raise _problem(*frame["refused"])
        if "memory" in frame:
            raise self._error(f"reading it takes more than {self._memory} of memory")
        return frame

    def _note(self, frame: Mapping[str, Any]) -> None:
        self._notes += map(str, frame.get("notes", ()))
        if frame.get("network") == "":
            self._notes.append(OPEN_NETWORK)
        if "read" in frame:
            self._read = int(frame["read"])
            self._wait()

    def _exactly(self, count: int) -> bytearray:
        """The next bytes of the child's output."""
        assert self._child.stdout is not None  # noqa: S101 - for mypy
        poll, pipe, data = select.poll(), self._child.stdout.fileno(), bytearray()
        poll.register(pipe, select.POLLIN)
        while len(data) < count:
            if not poll.poll(TICK):
                self._wait()
                continue
            if not (more := os.read(pipe, count - len(data))):
                raise self._crashed()
            data += more
        return data

    def _wait(self) -> None:
        read = f", {self._read >> 20} MB" if self._read else ""
        self._waiting(f"{self._rows} rows read{read}")

    def _crashed(self) -> UsageError:
        """Why the output ended."""
        code = self._child.wait()
        if code == -signal.SIGXCPU:
            seconds = self._file.limits.seconds
            return self._error(f"reading it takes more than {seconds} s of processor time without a row")
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return self._failed(f"crashed ({name})")

    def _failed(self, how: str) -> UsageError:
        return self._error(f"its parser {how}: it is damaged, or takes more than {self._memory} of memory")

    def _error(self, what: str) -> UsageError:
        after = f", after row {self._rows}" if self._rows else ""
        hint = f"save it again, as CSV or JSON lines; {RAISE_LIMITS}"
        return UsageError(Problem(what + after, self._file.shown, hint))

    @property
    def _memory(self) -> str:
        return f"{self._file.limits.memory >> 20} MB"


def _problem(kind: str, what: str, hint: str, ends: object) -> RowProblem:
    return (FileProblem if ends else RowProblem)(kind, what, hint)
