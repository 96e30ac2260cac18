"""What a launcher is, and what it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol


class Launched(Protocol):
    """A started command and everything that it started.

    Attributes:
        log: where its output goes.
    """

    log: Path

    def poll(self) -> int | None:
        """The exit code, 128 + n for signal n; None while it runs."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Like poll, after waiting up to `timeout` seconds for the end. Raises Interrupted on a signal."""

    def seconds(self) -> float:
        """Seconds since the start."""

    def cpu_seconds(self) -> float:
        """CPU time that its living processes have used."""

    def listens(self, host: str, port: int) -> bool | None:
        """Whether its processes, and no others, listen on a port of this machine; None while nothing does."""

    def write_line(self, line: str) -> None:
        """Write one line to its standard input and close that; it may have ended already."""

    def stop(self, grace: float = 10.0) -> list[int]:
        """Ask it to end, wait up to `grace` seconds, then kill what is left; return what was alive."""


class Launcher(Protocol):
    """Starts commands: here, on another machine, or through a scheduler. A module or an object."""

    def start(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        with_input: bool = False,
        offline: bool = False,
    ) -> Launched:
        """Start an argv and return at once.

        Args:
            argv: what to execute; symbols replaced.
            cwd: its working folder, which holds everything that it reads and writes.
            env: its whole environment.
            log: its output is appended to this file.
            with_input: give it a standard input to write to (Launched.write_line).
            offline: give it no network but loopback, where that is possible (processes/no_network.py).

        Raises:
            MissingError: the program or the working folder does not exist.
        """
