"""A child of Conch's own Python that is spoken to by pipes, and ends with this process.

For work that must not be done in this process, with what the child itself sets up (child_limits.py).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orchestrator.execute.processes import process_tree

# Between two calls of `waiting`, in milliseconds.
TICK = 200
_ROOT = Path(__file__).parents[3]
_ENVIRONMENT = {
    "PYTHONPATH": str(_ROOT),
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # Threads would take address space each, and arrow's allocator reserves more than a small file needs.
    "OMP_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


class PipedChild:
    """A module that runs as a child; it gets the pid of this process as its argument. End it."""

    def __init__(self, module: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", module, str(os.getpid())],
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C of the terminal is for this process, which ends it
        )
        process_tree.reserved.add(self._child.pid)

    def write(self, data: bytes) -> None:
        """Write to its standard input; nothing if it has ended, which `read` notices."""
        assert self._child.stdin is not None  # noqa: S101 - for mypy
        with suppress(BrokenPipeError):
            self._child.stdin.write(data)
            self._child.stdin.flush()

    def read(self, count: int, waiting: Callable[[], None]) -> bytearray:
        """The next bytes of its standard output.

        Args:
            count: how many.
            waiting: called several times a second while none come; it may raise.

        Raises:
            EOFError: there are fewer.
        """
        assert self._child.stdout is not None  # noqa: S101 - for mypy
        poll, pipe, data = select.poll(), self._child.stdout.fileno(), bytearray()
        poll.register(pipe, select.POLLIN)
        while len(data) < count:
            if not poll.poll(TICK):
                waiting()
                continue
            if not (more := os.read(pipe, count - len(data))):
                raise EOFError
            data += more
        return data

    def fate(self) -> str:
        """How it ended: the name of a signal, or its exit code. Waits for that."""
        code = self._child.wait()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def end(self) -> None:
        """Kill it, if it still runs."""
        self._child.kill()
        self._child.wait()
        process_tree.reserved.discard(self._child.pid)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()
