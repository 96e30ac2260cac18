"""What can be seen of processes from outside while something runs: their command lines, and who listens."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path


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
                with suppress(OSError):
                    words = path.read_bytes()
                    self.seen.add(words)
                    if b"llamafactory-cli" in words:
                        self._ports(int(path.parent.name), words)

    def _ports(self, pid: int, words: bytes) -> None:
        if listens(pid):
            self.listeners.add(words.replace(b"\0", b" ").decode())


def listens(pid: int) -> bool:
    """Whether a process listens on a port, in whatever network namespace it is (psutil reads ours alone)."""
    files = {str(path.readlink()) for path in Path(f"/proc/{pid}/fd").glob("*") if path.is_symlink()}
    tables = [Path(f"/proc/{pid}/net/{kind}").read_text(encoding="ascii") for kind in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()]
    return any(fields[3] == "0A" and f"socket:[{fields[9]}]" in files for fields in lines)
