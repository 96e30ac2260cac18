"""What can be seen of processes from outside while something runs: their command lines, and who listens."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import psutil


class Watch:
    """Looks ten times a second, until it is ended.

    Attributes:
        seen: the argv of every process of the machine, its words ended by NUL.
        listeners: the command line of every process of LLaMA-Factory that listened on a port.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self.listeners: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join(10)

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError, psutil.Error):
                    words = path.read_bytes()
                    self.seen.add(words)
                    if b"llamafactory-cli" in words:
                        self._ports(int(path.parent.name), words)

    def _ports(self, pid: int, words: bytes) -> None:
        connections = psutil.Process(pid).net_connections(kind="tcp")
        if any(one.status == psutil.CONN_LISTEN for one in connections):
            self.listeners.add(words.replace(b"\0", b" ").decode())
