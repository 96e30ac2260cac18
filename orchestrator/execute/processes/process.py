"""A command as a process: started in a session of its own, logged to a file, stopped with its whole tree.

The log is a plain file descriptor, no pipe: nothing has to be read for the child to go on, and the log
outlives this process. What a child leaves behind is found by its run tag (tree.py).
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
from orchestrator.execute.host import signals
from orchestrator.execute.host.signals import catch_signals
from orchestrator.execute.processes import process_tree
from orchestrator.execute.processes.child_environment import Symbols, child_environment, resolve_argv
from orchestrator.execute.processes.diagnosis import explain_failure
from orchestrator.execute.processes.process_tree import (
    new_run_tag,
    project_prefix,
    run_prefix,
    scan,
    stop_tagged,
)
from orchestrator.execute.processes.watchdog import guarded

__all__ = [
    "TICK",
    "Process",
    "StopEarly",
    "Symbols",
    "bound_log",
    "catch_signals",
    "child_environment",
    "explain_failure",
    "guarded",
    "new_run_tag",
    "project_prefix",
    "resolve_argv",
    "run_prefix",
    "scan",
    "start",
    "stop_tagged",
]

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
        run_tag: carried by every process of this tree and by no other.
        log: where its standard output and error go.
        started: time.monotonic() of the start.
    """

    child: subprocess.Popen[bytes]
    run_tag: str
    log: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        """Of the leader."""
        return self.child.pid

    def poll(self) -> int | None:
        """The exit code, 128 + n for signal n; None while it runs."""
        code = self.child.poll()
        if code is not None:
            process_tree.reserved.discard(self.pid)
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout: float | None = None) -> int | None:
        """Like poll, after waiting up to `timeout` seconds for the end. Signals cut it short (check())."""
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

    def write_line(self, line: str) -> None:
        """Write one line to its standard input and close that; the child may be gone already."""
        if self.child.stdin:
            with suppress(BrokenPipeError):
                self.child.stdin.write(line.encode() + b"\n")
                self.child.stdin.flush()
            self.close_input()

    def close_input(self) -> None:
        """Close its standard input, if it has one of ours."""
        if self.child.stdin:
            with suppress(BrokenPipeError):
                self.child.stdin.close()

    def stop(self, grace: float = GRACE) -> list[int]:
        """End the whole tree: TERM, up to `grace` seconds, KILL until nothing is left. Safe to repeat.

        A second signal to this process meanwhile means KILL at once.

        Returns:
            the pids that were alive when it was called.
        """
        self.close_input()
        left = members = self.members()
        deadline = time.monotonic() + grace
        self._tell_leader()
        told: set[process_tree.Member] = set()
        while left and time.monotonic() < deadline and not signals.impatient():
            if self.poll() is not None:
                told |= {
                    member
                    for member in left
                    if member not in told and process_tree.send(member, signal.SIGTERM)
                }
            time.sleep(0.02)
            left = process_tree.alive({*left, *process_tree.scan(self.run_tag)})
        others = process_tree.reserved - {self.pid}
        process_tree.kill_all(self.run_tag, left if others else [*left, *process_tree.adopted()])
        with suppress(subprocess.TimeoutExpired):
            self.child.wait(process_tree.KILL_SECONDS)
        self.poll()
        return sorted(member.pid for member in members)

    def _tell_leader(self) -> None:
        # A leader that lives tells its workers itself, in its own order (torchrun, vLLM); its group hears
        # it too. What is left when it is gone is told one by one.
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
    """Start an argv in a session of its own, its output appended to `log`.

    Args:
        argv: what is executed; symbols replaced.
        cwd: its working folder.
        env: the whole environment (child_environment); its run tag gets a part that names this child.
        log: made private to the user when it is not there.
        with_input: give it a pipe as standard input (Process.write_line) instead of nothing.

    Raises:
        MissingError: the program or the working folder is not there.
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
    process_tree.wait_seen(child.pid)
    return Process(child, run_tag, log)


def bound_log(log: Path, limit: int = LOG_LIMIT) -> None:
    """Cut the middle out of a log that outgrew `limit`: its start names the cause, its end the state.

    The child appends, so it goes on behind the cut; what it writes during the cut may be lost. A log that
    cannot be cut (a full disk, somebody who removed it) ends no work.
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
