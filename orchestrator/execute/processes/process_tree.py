"""Find and stop the processes that Conch started. Linux; standard library only (watchdog.py runs it).

Every process that Conch starts has a run tag in its environment (CONCH_RUN), which its descendants inherit
even when they leave the session and lose their parent:

    conch.PROJECT.RUN.PID.TICKS[.CHILD…]

PROJECT and RUN are hashes of folders, PID and TICKS identify the orchestrator and its start time, CHILD one
started process. A prefix therefore finds all processes of a project, of a run, or of one child. A process
that clears its environment is still found while its parent lives, or when this process becomes its subreaper.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

VARIABLE = "CONCH_RUN"
_PROC = Path("/proc")
_PR_SET_CHILD_SUBREAPER = 36
KILL_SECONDS = 10.0
_POLL_SECONDS = 0.05

reserved: set[int] = set()
"""Children whose exit status a Popen object waits for, so that reap() must not take it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A living process with a run tag; pid and start time together identify it."""

    pid: int
    ticks: int
    run_tag: str


def project_prefix(project: Path) -> str:
    """The prefix of the run tags of a project."""
    return f"conch.{_short(project)}"


def run_prefix(project: Path, folder: Path) -> str:
    """The prefix of the run tags of one run folder."""
    return f"{project_prefix(project)}.{_short(folder)}"


def new_run_tag(project: Path, folder: Path) -> str:
    """The run tag for children of this process that work on one run folder."""
    return f"{run_prefix(project, folder)}.{os.getpid()}.{start_ticks(os.getpid())}"


def owner_of(run_tag: str) -> tuple[int, int] | None:
    """(pid, start ticks) of the orchestrator that made a run tag; None if it is not one of Conch's."""
    parts = run_tag.split(".")
    if len(parts) < 5 or parts[0] != "conch" or not (parts[3].isdigit() and parts[4].isdigit()):  # noqa: PLR2004
        return None
    return int(parts[3]), int(parts[4])


def _short(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]


@cache
def enable_subreaper() -> None:
    """Make this process the parent of orphaned descendants, instead of init."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 if it does not exist or is dead."""
    fields = _stat(pid)
    return 0 if not fields or fields[0] in "ZX" else int(fields[19])


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that those of these processes have used that still live."""
    used = [_stat(pid) for pid in pids]
    return sum(int(fields[11]) + int(fields[12]) for fields in used if fields) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pids: Iterable[int]) -> int:
    """Memory of these processes together: the private pages of each, and the largest shared part once.

    Shared pages (a library, a forked loader's copy) count once, so the result may be slightly low.
    """
    own, shared = 0, 0
    for pid in pids:
        try:
            fields = (_PROC / str(pid) / "statm").read_bytes().split()
        except OSError:
            continue
        own += int(fields[1]) - int(fields[2])
        shared = max(shared, int(fields[2]))
    return (own + shared) * os.sysconf("SC_PAGE_SIZE")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; the name before them may contain anything."""
    try:
        return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return []


def _run_tag(pid: int) -> str:
    try:
        environ = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return ""
    marker = f"{VARIABLE}=".encode()
    for entry in environ.split(b"\0"):
        if entry.startswith(marker):
            return os.fsdecode(entry[len(marker) :])
    return ""


def matches(run_tag: str, prefix: str) -> bool:
    """Whether a run tag is the prefix, or continues it with further parts."""
    return run_tag == prefix or run_tag.startswith(prefix + ".")


def wait_until_visible(pid: int, seconds: float = 1.0) -> None:
    """Wait until a child that was just started can be found by its run tag.

    Popen returns when the kernel closes the old program's descriptors, shortly before /proc shows the new
    program's environment.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and start_ticks(pid) and not _run_tag(pid):
        time.sleep(0.001)


def scan(prefix: str) -> list[Member]:
    """Every other living process whose run tag matches the prefix, oldest first."""
    found = []
    for name in os.listdir(_PROC):  # noqa: PTH208  a third of the time of iterdir, and this polls
        if not name.isdigit() or int(name) == os.getpid():
            continue
        run_tag = _run_tag(int(name))
        if run_tag and matches(run_tag, prefix) and (ticks := start_ticks(int(name))):
            found.append(Member(int(name), ticks, run_tag))
    return sorted(found, key=lambda member: member.ticks)


def family(members: Iterable[Member]) -> list[Member]:
    """The members and all their living descendants, with or without a run tag."""
    by_pid = {member.pid: member for member in members}
    parents = {}
    for name in os.listdir(_PROC):  # noqa: PTH208
        if name.isdigit() and (fields := _stat(int(name))) and fields[0] not in "ZX":
            parents[int(name)] = (int(fields[1]), int(fields[19]))
    grew = True
    while grew:
        grew = False
        for pid, (parent, ticks) in parents.items():
            if parent in by_pid and pid not in by_pid and pid != os.getpid():
                by_pid[pid] = Member(pid, ticks, by_pid[parent].run_tag)
                grew = True
    return list(by_pid.values())


def send(member: Member, signum: int) -> bool:
    """Send a signal to a process if it is still the same one; False if it has ended."""
    try:
        handle = os.pidfd_open(member.pid)
    except OSError:
        return False
    try:
        if start_ticks(member.pid) != member.ticks:
            return False
        signal.pidfd_send_signal(handle, signum)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(handle)


def alive(members: Iterable[Member]) -> list[Member]:
    """The members that still live; reaps dead children of this process."""
    living = []
    for member in members:
        if start_ticks(member.pid) == member.ticks:
            living.append(member)
        else:
            reap(member.pid)
    return living


def reap(pid: int) -> None:
    """Take the exit status of an adopted orphan, so that it leaves the process table."""
    fields = _stat(pid)
    # Children that were started by other means share this session; other code waits for them.
    if fields and pid not in reserved and fields[3] != str(os.getsid(0)):
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def adopted() -> list[Member]:
    """Adopted orphans without a run tag, in another session: they cleared their environment."""
    own, session = os.getpid(), str(os.getsid(0))
    found = []
    for name in os.listdir(_PROC):  # noqa: PTH208
        if not name.isdigit() or int(name) in reserved or not (fields := _stat(int(name))):
            continue
        if (
            fields[1] == str(own)
            and fields[3] != session
            and fields[0] not in "ZX"
            and not _run_tag(int(name))
        ):
            found.append(Member(int(name), int(fields[19]), ""))
    return found


def kill_all(prefix: str, known: Iterable[Member] = ()) -> list[Member]:
    """KILL everything with this prefix, its descendants and `known`, repeatedly, until none is left.

    Returns what is still alive after ten seconds, such as a process in an uninterruptible wait.
    """
    left = alive({*known, *family(scan(prefix))})
    deadline = time.monotonic() + KILL_SECONDS
    while left and time.monotonic() < deadline:
        for member in left:
            send(member, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
        left = alive({*left, *family(scan(prefix))})
    return left


def stop_tagged(prefix: str, *, grace: float = 10.0) -> list[int]:
    """TERM everything with this prefix, wait up to `grace` seconds, KILL the rest; returns the pids."""
    members = family(scan(prefix))
    for member in members:
        send(member, signal.SIGTERM)
    deadline = time.monotonic() + grace
    left = members
    while left and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        left = alive({*left, *scan(prefix)})
    kill_all(prefix, left)
    return sorted(member.pid for member in members)
