"""The logs of a run, read while they grow.

Reading continues at the end of a log whose middle was cut out (process.bound_log). Undecodable bytes become
escapes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host.atomic_files import open_regular
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_paths import runs_path, stage_name

FOLDER = "logs"
# A line without an end is split into pieces of this size.
LONGEST = 64 << 10
CHUNK = 1 << 20


def logs_of(run: Run, stage: str = "") -> list[Path]:
    """The logs of a run or of one of its stages, the most recently written last.

    Raises:
        MissingError: there is none. UsageError: no stage has such a name.
    """
    found = _logs(run, stage)
    if not found:
        there = sorted(path.stem for path in _logs(run, ""))
        hint = f"there are {', '.join(there)}" if there else f"conch status {run.name}"
        what = f"{run.name} has no log of {stage}" if stage else f"{run.name} has no log yet"
        raise MissingError(Problem(what, str(run.path / FOLDER), hint))
    return sorted(found, key=lambda path: path.stat().st_mtime_ns)


def _logs(run: Run, stage: str) -> list[Path]:
    folder = runs_path(run.project, run.recipe, run.id, FOLDER)
    found = folder.glob(f"{stage_name(stage)}*.log" if stage else "*.log")
    return [path for path in found if path.is_file() and not path.is_symlink()]


def last_state(line: str) -> str:
    """A line without its line end; of a progress bar its last state."""
    return line.rstrip("\r").rpartition("\r")[2]


def last_lines(log: Path, count: int) -> list[str]:
    """The last lines of a log, within its last MiB; a progress bar is one line."""
    with open_regular(log) as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - CHUNK))
        data = file.read()
    lines = data.decode("utf-8", "backslashreplace").removesuffix("\n").split("\n") if data else []
    return lines[-count:] if count else []


@dataclass(slots=True)
class Growing:
    """One log that is read while it grows, from byte `at`."""

    log: Path
    at: int = 0
    _rest: bytes = b""

    def lines(self) -> list[str]:
        """The next complete lines, at most one MiB; a line without an end comes in pieces.

        Raises:
            OSError: the log cannot be read.
        """
        with open_regular(self.log) as file:
            size = file.seek(0, 2)
            self.at = min(self.at, size)  # its middle was cut out; what follows the cut was read before
            file.seek(self.at)
            data = file.read(CHUNK)
        self.at += len(data)
        *whole, rest = (self._rest + data).split(b"\n")
        if len(rest) > LONGEST:
            whole, rest = [*whole, rest], b""
        self._rest = rest
        return [line.decode("utf-8", "backslashreplace") for line in whole]


@dataclass(slots=True)
class Tail:
    """What was added to a run's logs since the last call."""

    run: Run
    stage: str = ""
    _logs: dict[Path, Growing] = field(default_factory=dict)

    def skip(self, logs: list[Path]) -> None:
        """Start at the current end of these logs."""
        self._logs |= {log: Growing(log, log.stat().st_size) for log in logs}

    def added(self) -> Iterator[tuple[str, str]]:
        """(name of the log, line) of every new complete line."""
        for log in sorted(_logs(self.run, self.stage)):
            growing = self._logs.setdefault(log, Growing(log))
            yield from ((log.stem, line) for line in growing.lines())
