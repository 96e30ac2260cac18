"""Starts the child that reads data files (reader_child.py), and takes their rows.

The file is parsed by native or foreign code there, so a small file can neither crash this process nor exhaust
its memory: whatever becomes of the child is one sentence with the name of the file. The files of a folder
share one child.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from orchestrator.datasets.base import FileProblem, RowProblem
from orchestrator.datasets.json_text import RAISE_LIMITS
from orchestrator.datasets.rows import Numbered
from orchestrator.errors import Problem, UsageError
from orchestrator.execute.data import reader_child
from orchestrator.execute.data.file_source import OneFile
from orchestrator.execute.data.reader_child import LENGTH, Request, identity
from orchestrator.execute.processes.piped_child import PipedChild

# What a frame holds beside a row: others, notes.
SLACK = 8 << 20
OPEN_NETWORK = "read with access to the network: this kernel offers no way to give it up"


class ReaderProcess:
    """A child that reads files, one after the other. End it: it may have rows left."""

    def __init__(self, notes: list[str], waiting: Callable[[str], None]) -> None:
        self._notes, self._waiting = notes, waiting
        self._child = PipedChild(reader_child.__name__)

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
        self._child.write(request.to_json())
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
        self._child.end()

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
        try:
            return self._child.read(count, self._wait)
        except EOFError:
            raise self._crashed() from None

    def _wait(self) -> None:
        read = f", {self._read >> 20} MB" if self._read else ""
        self._waiting(f"{self._rows} rows read{read}")

    def _crashed(self) -> UsageError:
        """Why the output ended."""
        fate = self._child.fate()
        if fate == "SIGXCPU":
            seconds = self._file.limits.seconds
            return self._error(f"reading it takes more than {seconds} s of processor time without a row")
        return self._failed(f"crashed ({fate})")

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
