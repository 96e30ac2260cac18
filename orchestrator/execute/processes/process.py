"""A child process in a session of its own, logged to a file and stopped with its whole tree.

The log is a plain file, not a pipe: the child never blocks on it, and it outlives this process. What a child
leaves running is found by its run tag (process_tree.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import MissingError, Problem
from orchestrator.execute.host import ports, signals
from orchestrator.execute.processes import process_tree

GRACE = 10.0
TICK = 0.5
LOG_LIMIT = 64 << 20
LOG_HEAD = 256 << 10
LOG_TAIL = 1 << 20


class StopEarly(Exception):
    """Raised by on_tick: the command has done enough, so ask it to end."""


@dataclass(slots=True)
class Process:
    """A started child and the tree below it.

    Attributes:
        run_tag: in the environment of every process of this tree, and of no other.
        log: its standard output and error.
        started: time.monotonic() of the start.
    """

    child: subprocess.Popen[bytes]
    run_tag: str
    log: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """The pid of the leader."""
        return self.child.pid

    def poll(self) -> int | None:
        """The exit code, 128 + n for signal n; None while it runs."""
        code = self.child.poll()
        if code is not None:
            process_tree.reserved.discard(self.pid)
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout: float | None = None) -> int | None:
        """Like poll, after waiting up to `timeout` seconds for the end. Raises Interrupted on a signal."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None and not (deadline and time.monotonic() >= deadline):
            signals.check()
            with suppress(subprocess.TimeoutExpired):
                left = TICK if deadline is None else deadline - time.monotonic()
                self.child.wait(max(0.001, min(0.1, left)))
        return code

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.started

    def cpu_seconds(self) -> float:
        """CPU time that the living processes of this tree have used."""
        return process_tree.cpu_seconds(member.pid for member in self.members())

    def members(self) -> list[process_tree.Member]:
        """Every living process of this tree."""
        return process_tree.family(process_tree.scan(self.run_tag))

    def listens(self, host: str, port: int) -> bool | None:
        """Whether its processes, and no others, listen on a port; None while nothing does."""
        own = {member.pid for member in self.members()}
        found = ports.listeners(host, port)
        if not found:
            return None
        # Processes come and go: what has ended, or has begun since the first look, is not a stranger.
        return found <= own or found <= own | {member.pid for member in self.members()}

    def write_line(self, line: str) -> None:
        """Write one line to its standard input and close that; the child may have ended already."""
        if self.child.stdin:
            with suppress(BrokenPipeError):
                self.child.stdin.write(line.encode() + b"\n")
                self.child.stdin.flush()
            self.close_input()

    def close_input(self) -> None:
        """Close its standard input, if it is a pipe."""
        if self.child.stdin:
            with suppress(BrokenPipeError):
                self.child.stdin.close()

    def stop(self, grace: float = GRACE) -> list[int]:
        """Stop the whole tree: TERM, up to `grace` seconds, then KILL until nothing is left. Safe to repeat.

        Returns the pids that were alive at the call. A second signal to this process means KILL at once.
        """
        self.close_input()
        left = members = self.members()
        deadline = time.monotonic() + grace
        self._terminate_leader()
        signalled: set[process_tree.Member] = set()
        while left and time.monotonic() < deadline and not signals.impatient():
            if self.poll() is not None:
                signalled |= {
                    member
                    for member in left
                    if member not in signalled and process_tree.send(member, signal.SIGTERM)
                }
            time.sleep(0.02)
            left = process_tree.alive({*left, *process_tree.scan(self.run_tag)})
        others = process_tree.reserved - {self.pid}
        process_tree.kill_all(self.run_tag, left if others else [*left, *process_tree.adopted()])
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(process_tree.KILL_SECONDS)
        self.poll()
        return sorted(member.pid for member in members)

    def _terminate_leader(self) -> None:
        # A living leader stops its workers in its own order (torchrun, servers); its group gets the signal,
        # too. Processes that are left when it has ended are signalled one by one.
        if self.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)


def start(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    with_input: bool = False,
) -> Process:
    """Start an argv in a session of its own, its output appended to `log` (Launcher.start).

    A part for this child is added to the run tag in `env`.
    """
    process_tree.enable_subreaper()
    run_tag = f"{env[process_tree.VARIABLE]}.{uuid.uuid4().hex[:8]}"
    log.parent.mkdir(parents=True, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        child = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**env, process_tree.VARIABLE: run_tag},
            stdin=subprocess.PIPE if with_input else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        hint = "conch doctor" if not Path(argv[0]).exists() else ""
        raise MissingError(Problem(f"cannot start: {error.strerror}", where=argv[0], hint=hint)) from error
    finally:
        os.close(output)
    process_tree.reserved.add(child.pid)
    process_tree.wait_until_visible(child.pid)
    return Process(child, run_tag, log)


def bound_log(log: Path, limit: int = LOG_LIMIT) -> None:
    """Remove the middle of a log that is larger than `limit`: its start shows the cause, its end the state.

    The child appends, so it continues after the cut; output during the cut may be lost. A log that cannot be
    cut (a full disk, a removed file) does not stop the work.
    """
    with suppress(OSError):
        if log.stat().st_size <= limit:
            return
        with log.open("r+b") as file:
            size = file.seek(-LOG_TAIL, os.SEEK_END)
            tail = file.read()
            file.truncate(LOG_HEAD)
        with log.open("ab") as file:
            file.write(b"\n... %d bytes left out ...\n" % (size - LOG_HEAD) + tail)
