"""The child that talks to a model hub, and the watch over it.

A child because the hubs' libraries read their settings when they are imported, because a download must end
when we do, and because modelscope may live in another environment (orchestrator/probes/hub_download.py).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from orchestrator.errors import Problem, StageFailed, TimedOut
from orchestrator.execute.host import signals
from orchestrator.execute.models.hub.names import (
    HubRequest,
    Listing,
    Progress,
    RemoteFile,
    child_environment,
    endpoint_of,
    error_of,
    human,
    scrub,
    secrets_of,
)

SCRIPT = Path(__file__).parents[3] / "probes" / "hub_download.py"
STALL_TIMEOUT = 120.0
STALL_BYTES = 64 * 1024  # less than this in STALL_TIMEOUT is no download
TELL_EVERY = 3.0
TICK = 0.25


@dataclass(slots=True)
class _Growth:
    """When a folder last grew by something worth the name."""

    mark: int = 0
    since: float = field(default_factory=time.monotonic)

    def stalled_for(self, size: int) -> float:
        now = time.monotonic()
        if size >= self.mark + STALL_BYTES:
            self.mark, self.since = size, now
        return now - self.since


class HubChild:
    """One conversation with a hub: first listing(), then download() as often as needed. A context manager."""

    def __init__(self, request: HubRequest, python: str, *, stall_timeout: float = STALL_TIMEOUT) -> None:
        self.request = request
        self.stall_timeout = stall_timeout
        self.environment = child_environment(os.environ)
        self.endpoint = endpoint_of(request.hub, self.environment)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in __exit__
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._child = subprocess.Popen(
            [python, "-E", "-s", "-X", "utf8", "-B", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self.environment,
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
        """Resolve the revision to a commit and list its files.

        Raises:
            MissingError: no such repository or revision, no access, no network.
            TimedOut: no answer within the stall timeout.
        """
        request = self.request
        self._say(
            {"hub": request.hub, "repo": request.repo, "kind": request.kind, "revision": request.revision}
        )
        event = self._wait(lambda: 0)
        return Listing(event["revision"], tuple(RemoteFile(**row) for row in event["files"]))

    def download(self, into: Path, files: Sequence[RemoteFile], progress: Progress) -> None:
        """Bring files into a folder, telling how far it is; what lies there from before is used.

        Raises:
            MissingError, TimedOut, StageFailed: as errors_of() says.
        """
        if not files:
            return  # to a library, no names mean every file
        meter = Meter(into, sum(file.size for file in files), progress)
        self._say({"into": str(into), "files": [file.path for file in files]})
        self._wait(meter.look)

    def _say(self, order: Mapping[str, Any]) -> None:
        stdin = self._child.stdin
        assert stdin is not None  # noqa: S101  Popen was asked for a pipe
        try:
            stdin.write(json.dumps(order).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            return  # it has died; _wait says of what

    def _read(self) -> None:
        assert self._child.stdout is not None  # noqa: S101  Popen was asked for a pipe
        for line in self._child.stdout:
            try:
                self._events.put(json.loads(line))
            except ValueError:
                continue  # a library's C code printed past us
        self._events.put(None)

    def _wait(self, size: Callable[[], int]) -> dict[str, Any]:
        growth = _Growth()
        while True:
            signals.check()
            try:
                event = self._events.get(timeout=TICK)
            except queue.Empty:
                if growth.stalled_for(size()) < self.stall_timeout:
                    continue
                raise self._stalled() from None
            if event is None:
                signals.check()  # Ctrl-C goes to both of us
                raise StageFailed(
                    Problem(f"the downloader died: {self._last_words()}", where=str(self.request))
                )
            if event["event"] == "failed":
                raise error_of(self.request, event, self.endpoint, secrets_of(self.environment))
            return event

    def _stalled(self) -> TimedOut:
        what = f"{self.endpoint} sent next to nothing for {self.stall_timeout:.0f} s"
        hint = "type the same command again: what came is kept; or take another hub"
        return TimedOut(Problem(what, where=str(self.request), hint=hint))

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return scrub(lines[-1] if lines else "without a word", secrets_of(self.environment))


class Meter:
    """Tells how much of a download has come, a line every few seconds, from the size of its folder."""

    def __init__(self, folder: Path, total: int, progress: Progress) -> None:
        self.folder, self.total, self.progress = folder, total, progress
        self.started = self.told = time.monotonic()
        self.before = self._bytes()[0]

    def look(self) -> int:
        """A number that grows whenever the download does."""
        size, files = self._bytes()
        now = time.monotonic()
        if now - self.told >= TELL_EVERY:
            self.told = now
            rate = max(0.0, (size - self.before) / (now - self.started))
            left = f", {max(0, self.total - size) / rate:.0f} s left" if rate > 1 else ""
            self.progress(f"  {human(min(size, self.total))} of {human(self.total)}, {human(rate)}/s{left}")
        return size + STALL_BYTES * files

    def _bytes(self) -> tuple[int, int]:
        size = files = 0
        for parent, _, names in os.walk(self.folder):
            for name in names:
                try:
                    seen = Path(parent, name).stat()
                except FileNotFoundError:
                    continue  # renamed meanwhile
                files += 1
                size += min(seen.st_size, seen.st_blocks * 512)  # a file may be laid out before it is filled
        return size, files
