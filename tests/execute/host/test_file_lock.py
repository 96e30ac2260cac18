"""Locks: who looks competes with nobody, and neither a kill, a fork nor a deleted file makes two holders."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest

from orchestrator.errors import BusyError, MissingError, Problem
from orchestrator.execute.host import file_lock
from orchestrator.execute.host.file_lock import exclusive, live_record, read_live
from orchestrator.execute.run_store.listing import summaries, summary_of
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.run_store.run_lock import hold, hold_briefly, holder, is_held
from orchestrator.execute.run_store.server_record import (
    Serving,
    hold_serving,
    is_up,
    write_serving,
)
from orchestrator.execute.run_store.stop import stop_project

ROOT = Path(__file__).parents[3]


def busy() -> BusyError:
    return BusyError(Problem("busy"))


def looks(run: Run) -> dict[str, Callable[[], object]]:
    """Every way of looking at a run without a verb's own work."""
    return {
        "is_held": lambda: is_held(run.project, run.recipe),
        "summary_of": lambda: summary_of(run),
        "summaries": lambda: summaries(run.project),
        "is_up": lambda: is_up(run),
        "stop": lambda: stop_project(run.project, run=run, grace=0),
    }


LOOKS = ("is_held", "summary_of", "summaries", "is_up", "stop")


@pytest.mark.parametrize("look", LOOKS)
def test_fault_121_a_start_never_fails_because_somebody_looks(
    project: Path, look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every moment at which a look holds any lock, a run and a server start, which may not wait at all."""
    run = Run.create(project, "r")
    with hold(project, "r"), hold_serving(run):
        run.begin("", identity="x")
        write_serving(run, Serving(run.name, "u", "m", os.getpid(), 1, ""))
    monkeypatch.setattr(file_lock, "PATIENCE", 0)
    real, starting, started = fcntl.flock, False, 0

    def flock(descriptor: int, operation: int) -> None:
        nonlocal starting, started
        real(descriptor, operation)
        if starting or operation & fcntl.LOCK_UN:
            return
        starting = True
        with hold(project, "r"), hold_serving(run):
            started += 1
        starting = False

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(5):
        looks(run)[look]()
    assert started >= 5, "it never looked at a lock"


def test_fault_121_looks_and_starts_in_a_loop(project: Path) -> None:
    run = Run.create(project, "r")
    over = threading.Event()
    looked = 0

    def look() -> None:
        nonlocal looked
        while not over.is_set():
            is_held(project, "r")
            is_up(run)
            looked += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for _ in range(60):
            with hold(project, "r"), hold_serving(run):
                pass
    finally:
        over.set()
        thread.join()
    assert looked > 60


def test_a_start_waits_for_one_that_needs_a_moment(project: Path) -> None:
    began, end = threading.Event(), threading.Event()

    def moment() -> None:
        with hold_briefly(project, "r"):
            began.set()
            end.wait(10)

    thread = threading.Thread(target=moment)
    thread.start()
    began.wait(10)
    threading.Timer(0.2, end.set).start()
    with hold(project, "r"):
        assert end.is_set()
    thread.join()


def test_two_that_look_at_once_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "record"
    with live_record(path, "{}"):
        assert read_live(path) == b"{}"
    with path.open("rb") as one:
        fcntl.flock(one, fcntl.LOCK_SH)  # another one that looks right now
        assert read_live(path) is None


def test_two_that_look_at_once_control_with_filelock_they_would(tmp_path: Path) -> None:
    """Filelock has no shared flock: the reason for the one in read_live."""
    path = tmp_path / "record"
    path.touch()
    with path.open("rb") as one, path.open("rb") as another:
        assert filelock.lock_descriptor(one.fileno(), blocking=False)
        assert not filelock.lock_descriptor(another.fileno(), blocking=False)


def test_fault_125_a_record_is_read_from_a_file_of_this_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record"
    with live_record(path, "mine"):
        assert read_live(path) == b"mine"
        (tmp_path / "link").symlink_to(path)
        assert read_live(tmp_path / "link") is None
        monkeypatch.setattr(os, "geteuid", lambda: 4711)
        assert read_live(path) is None
    os.mkfifo(tmp_path / "pipe")
    assert read_live(tmp_path / "pipe") is None
    assert read_live(tmp_path / "none") is None


def test_a_deleted_lock_file_does_not_make_a_second_holder(project: Path) -> None:
    with hold(project, "r"):
        (project / "runs/r/.lock").unlink()
        with pytest.raises(BusyError, match="in progress"), hold(project, "r"):
            pass


def test_a_lock_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(MissingError, match="cannot lock"), exclusive(tmp_path / "lock", busy):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_record_that_cannot_be_written_holds_nothing(project: Path) -> None:
    (project / "runs/r/.holder.json").mkdir(parents=True)
    with pytest.raises(MissingError, match="cannot write"), hold(project, "r"):
        pass
    (project / "runs/r/.holder.json").rmdir()
    with hold(project, "r"):
        pass


FORKED = """
import os, sys, time
from pathlib import Path
from orchestrator.execute.run_store.run_lock import hold, is_held
project = Path(sys.argv[1])
with hold(project, "r"):
    if os.fork() == 0:
        if sys.argv[2] == "unwinds":
            sys.exit(0)  # through the `with` block, in the child
        print(os.getpid(), flush=True)
        time.sleep(60)
    if sys.argv[2] == "unwinds":
        os.wait()
        print(0, flush=True)
    time.sleep(60)
"""


@contextmanager
def forked(project: Path, how: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    words = [sys.executable, "-c", FORKED, str(project), how]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            yield parent, child
        finally:
            parent.kill()
            if child:
                os.kill(child, signal.SIGKILL)


def test_fault_122_a_forked_child_does_not_keep_what_its_killed_parent_held(project: Path) -> None:
    with forked(project, "lives") as (parent, child):
        assert is_held(project, "r")
        parent.kill()
        parent.wait()
        os.kill(child, 0)
        assert not is_held(project, "r")
        with hold(project, "r"):
            pass


def test_fault_122_a_forked_child_that_ends_does_not_release_it(project: Path) -> None:
    with forked(project, "unwinds") as (parent, _):
        found = holder(project, "r")
        assert found is not None
        assert found["pid"] == parent.pid
        with pytest.raises(BusyError, match=f"process {parent.pid}"), hold(project, "r"):
            pass
