"""The downloader: a child process that talks to a hub, and the stall detection around it.

It is a process because the hubs' libraries read their settings at import, because a download must end when
this process does, and because modelscope may be installed in another environment (probes/hubs/download.py).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from orchestrator.errors import MissingError, Problem, StageFailed, TimedOut
from orchestrator.execute.environments import registry
from orchestrator.execute.host import machine, signals
from orchestrator.execute.models.hub.protocol import (
    Event,
    HubRequest,
    Listing,
    Progress,
    RemoteFile,
    child_environment,
    error_of,
    human,
)
from orchestrator.execute.processes.child_environment import PROBES
from orchestrator.hubs import Hub
from orchestrator.outside import Outside

SCRIPT = PROBES / "hubs/download.py"
STALL_TIMEOUT = 120.0
STALL_BYTES = 64 * 1024  # a download that gets less than this in STALL_TIMEOUT has stalled
REPORT_SECONDS = 3.0
TICK = 0.25


def python_for(hub: Hub, hardware: str) -> str:
    """The Python that has the hub's library: Conch's own, otherwise the train environment's."""
    if find_spec(hub.library):
        return sys.executable
    try:
        folder = registry.require("train", machine.profile(hardware))
    except MissingError as error:
        raise _not_installed(hub, error.problems[0].what) from None
    if not list(folder.glob(f"lib/python*/site-packages/{hub.library}")):
        raise _not_installed(hub, f"the train environment at {folder} does not have it either")
    return str(folder / "bin" / "python")


def _not_installed(hub: Hub, why: str) -> MissingError:
    return MissingError(Problem(f"{hub.library} is not installed; {why}", hint=hub.install))


@dataclass(slots=True)
class _Growth:
    """When a folder last grew by at least STALL_BYTES."""

    mark: int = 0
    since: float = field(default_factory=time.monotonic)

    def stalled_for(self, size: int) -> float:
        now = time.monotonic()
        if size >= self.mark + STALL_BYTES:
            self.mark, self.since = size, now
        return now - self.since


class HubChild:
    """One session with a hub: first listing(), then download() as often as needed. A context manager."""

    def __init__(self, request: HubRequest, python: str, *, stall_timeout: float = STALL_TIMEOUT) -> None:
        self.request = request
        self.stall_timeout = stall_timeout
        environment = child_environment(request.hub, os.environ)
        self.address = request.hub.address(environment)
        self._secret = environment.get(request.hub.token, "")
        self._withheld = not request.hub.sends_token(environment)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._child = subprocess.Popen(
            [python, "-E", "-s", "-X", "utf8", "-B", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            cwd=tempfile.gettempdir(),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        self._reader.join()
        for stream in (self._child.stdin, self._child.stdout, self._log):
            try:
                stream.close()  # type: ignore[union-attr]  # both are pipes
            except BrokenPipeError:
                continue  # an order that the child never read

    def listing(self) -> Listing:
        """Resolve the revision to a commit and list its files."""
        request = self.request
        self._send(
            {
                "client": request.hub.client or str(PROBES / f"hubs/{request.hub.name}.py"),
                "repo": request.repo,
                "kind": request.kind,
                "revision": request.revision,
            }
        )
        event = self._wait(lambda: 0)
        files = (
            RemoteFile(str(row["path"]), int(row["size"]), str(row["sha256"]), str(row["git"]))
            for row in event["files"]
        )
        return Listing(event["revision"], tuple(files))

    def download(self, into: Path, files: Sequence[RemoteFile], progress: Progress) -> None:
        """Download files into a folder and report progress; files of an earlier attempt are reused."""
        if not files:
            return  # to a library, no names mean every file
        meter = Meter(into, sum(file.size for file in files), progress)
        self._send({"into": str(into), "files": [file.path for file in files]})
        self._wait(meter.look)

    def _send(self, order: Mapping[str, str | list[str]]) -> None:
        stdin = self._child.stdin
        assert stdin is not None  # noqa: S101  Popen was given PIPE
        try:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return  # the child died; _wait reports why

    def _read(self) -> None:
        assert self._child.stdout is not None  # noqa: S101  Popen was given PIPE
        for line in self._child.stdout:
            try:
                self._events.put(json.loads(line))
            except ValueError:
                continue  # a library's C code printed to the descriptor itself
        self._events.put(None)

    def _wait(self, size: Callable[[], int]) -> Event:
        growth = _Growth()
        while True:
            signals.check()
            try:
                event = self._events.get(timeout=TICK)
            except queue.Empty:
                if growth.stalled_for(size()) < self.stall_timeout:
                    continue
                what = f"{self.address} sent next to nothing for {self.stall_timeout:.0f} s"
                hint = "run the same command again: it resumes the download; or use another hub"
                raise TimedOut(Problem(what, str(self.request), hint)) from None
            if event is None:
                signals.check()  # Ctrl-C reaches the child, too
                what = f"the downloader died: {self._last_line()}"
                raise StageFailed(Problem(what, where=str(self.request)))
            if event["event"] == "failed":
                raise error_of(self.request, event, self.address, self._secret, withheld=self._withheld)
            return event

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return str(Outside(lines[-1] if lines else "no output", secrets=(self._secret,)))


class Meter:
    """Reports every few seconds how much of a download has arrived, from the size of its folder."""

    def __init__(self, folder: Path, total: int, progress: Progress) -> None:
        self.folder, self.total, self.progress = folder, total, progress
        self.started = self.reported = time.monotonic()
        self.before = self._bytes()[0]

    def look(self) -> int:
        """A number that grows whenever the download does."""
        size, files = self._bytes()
        now = time.monotonic()
        if now - self.reported >= REPORT_SECONDS:
            self.reported = now
            rate = max(0.0, (size - self.before) / (now - self.started))
            left = f", {max(0, self.total - size) / rate:.0f} s left" if rate > 1 else ""
            self.progress(f"  {human(min(size, self.total))} of {human(self.total)}, {human(rate)}/s{left}")
        return size + STALL_BYTES * files

    def _bytes(self) -> tuple[int, int]:
        size = files = 0
        for parent, _, names in os.walk(self.folder):
            for name in names:
                try:
                    stat = Path(parent, name).stat()
                except FileNotFoundError:
                    continue  # renamed meanwhile
                files += 1
                size += min(stat.st_size, stat.st_blocks * 512)  # a file may be allocated before it is filled
        return size, files
