"""Faults of signals and of processes that will not end: nothing of a run's tree lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from orchestrator.errors import BusyError
from orchestrator.execute.host import file_lock, signals
from orchestrator.execute.host.ports import free_port
from orchestrator.execute.processes import process, process_tree
from orchestrator.execute.processes.process import start
from orchestrator.execute.processes.process_tree import new_run_tag
from orchestrator.execute.run_store.listing import Standing, summary_of
from orchestrator.execute.run_store.run_lock import hold
from tests.forks import Forked
from tests.small_world import SmallWorld

ROOT = Path(__file__).parents[2]
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from orchestrator.execute.run_store.run_lock import hold
with hold(Path(sys.argv[1]), "small"):
    print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
    time.sleep(60)
"""
NAIVE = """
import fcntl, os, sys, time
lock = os.open(os.path.join(sys.argv[1], "runs/small/.lock"), os.O_CREAT | os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
if child := os.fork():
    print(child, flush=True)
time.sleep(60)
"""


def wait(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


def held_by(project: Path, script: str) -> tuple[subprocess.Popen[str], int]:
    """A process that holds the lock of the recipe and has a child of its own."""
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(project)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    return holder, int(holder.stdout.readline())


def test_fault_051_a_child_never_keeps_the_lock_of_its_killed_parent(project: Path) -> None:
    assert not _keeps(project, HOLDER)


def test_fault_051_control_a_forked_child_keeps_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lock, "PATIENCE", 0.1)
    (project / "runs/small").mkdir(parents=True)
    assert _keeps(project, NAIVE)


def _keeps(project: Path, script: str) -> bool:
    holder, child = held_by(project, script)
    holder.kill()
    holder.wait()
    assert holder.stdout is not None
    holder.stdout.close()
    try:
        assert psutil.pid_exists(child)
        with hold(project, "small"):
            return False
    except BusyError:
        return True
    finally:
        os.kill(child, signal.SIGKILL)
        wait(lambda: _gone(child))


def _gone(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def hanging(small: SmallWorld, fault: str = "hang") -> Forked:
    """A run whose training has begun and does not end; what comes before it was done by an earlier test."""
    small.until_training()
    child = small.start("sft", "small", env={"CONCH_FAULT": fault})
    wait(lambda: list((small.project / "runs").glob("small/*/logs/train.log")))
    logs = small.project / "runs"
    wait(lambda: any(b"llamafactory" in log.read_bytes() for log in logs.glob("small/*/logs/train.log")))
    return child


def test_fault_052_stop_twice_at_once_and_rm_of_a_live_run(small: SmallWorld) -> None:
    child = hanging(small)
    assert small.run("rm", "--yes", small.last().name).code == 6
    first, second = (small.start("stop") for _ in range(2))
    assert (first.wait(60), second.wait(60)) == (0, 0)
    assert child.wait(60) == 143
    assert small.processes() == []
    assert small.run("stop").out == "nothing was running for this project\n"
    assert small.run("rm", "--yes", small.last().name).code == 0


@pytest.mark.parametrize("fault", ["hang", "wedge-health-ok"])
def test_fault_064_ctrl_c_once_stops_the_tree_in_order(small: SmallWorld, fault: str) -> None:
    words = ("run", "small", "--set", "verify.base=false")
    child = small.start(*words, env={"CONCH_FAULT": fault})
    log = "train" if fault == "hang" else "server"
    wait(lambda: list((small.project / "runs").glob(f"small/*/logs/{log}.log")))
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    assert small.processes() == []
    assert "run the same command again to continue" in small.read("said.err")
    assert summary_of(small.last()).standing is Standing.STOPPED


def test_fault_064_ctrl_c_twice_kills_at_once(small: SmallWorld) -> None:
    child = hanging(small, "deaf")
    child.send_signal(signal.SIGINT)
    time.sleep(1)
    assert child.poll() is None, "it waits for a training that may save"
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    assert child.wait(60) == 130
    assert time.monotonic() - began < 10
    assert small.processes() == []
    assert summary_of(small.last()).standing is Standing.STOPPED


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_fault_065_a_signal_ends_what_is_in_the_foreground(
    small: SmallWorld, signum: signal.Signals, code: int
) -> None:
    child = hanging(small)
    child.send_signal(signum)
    assert child.wait(60) == code
    assert small.processes() == []


def test_fault_065_a_hang_up_does_not_end_what_is_detached(small: SmallWorld) -> None:
    said = small.script("sft", "small", "--detach", "--json", env={"CONCH_FAULT": "slow-ready"})
    pid = said.envelope["data"]["pid"]
    os.kill(pid, signal.SIGHUP)
    wait(lambda: _gone(pid))
    assert summary_of(small.last()).standing is Standing.DONE


def test_fault_065_control_a_process_that_does_not_listen_is_ended_by_it(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    child.send_signal(signal.SIGHUP)
    assert child.wait(10) == -signal.SIGHUP


DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: print('x' * 4096)"


def started(tmp_path: Path, code: str) -> process.Process:
    env = {"CONCH_RUN": new_run_tag(tmp_path, tmp_path), "PATH": os.environ["PATH"]}
    child = start([sys.executable, "-c", code], cwd=tmp_path, env=env, log=tmp_path / "log")
    wait(lambda: (tmp_path / "log").stat().st_size > 0)
    return child


def test_fault_066_a_child_that_is_deaf_and_floods_is_killed(tmp_path: Path) -> None:
    child = started(tmp_path, DEAF)
    began = time.monotonic()
    with signals.catch_signals():
        child.stop(grace=1)
    assert 0.9 < time.monotonic() - began < 8
    assert child.poll() == 128 + signal.SIGKILL
    assert (tmp_path / "log").stat().st_size > 1 << 16, "nobody had to read it"


def test_fault_066_control_asking_alone_does_not_end_it(tmp_path: Path) -> None:
    child = started(tmp_path, DEAF)
    os.killpg(child.pid, signal.SIGTERM)
    assert child.wait(1) is None
    child.stop(grace=0)


GRANDCHILDREN = """
import os, subprocess, time
subprocess.Popen(["sleep", "60"], start_new_session=True)
if os.fork() == 0:
    if os.fork() == 0:
        os.setsid()
        print("ready", flush=True)
        time.sleep(60)
    os._exit(0)
time.sleep(60)
"""


def test_fault_067_a_grandchild_in_a_session_of_its_own_is_gone(tmp_path: Path) -> None:
    child = started(tmp_path, GRANDCHILDREN)
    wait(lambda: len(child.members()) == 3)
    pids = [member.pid for member in child.members()]
    child.stop(grace=5)
    assert all(_gone(pid) for pid in pids)


def test_fault_067_control_the_group_alone_misses_it(tmp_path: Path) -> None:
    child = started(tmp_path, GRANDCHILDREN)
    wait(lambda: len(child.members()) == 3)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait(5)
    assert len(process_tree.scan(child.run_tag)) == 2
    child.stop(grace=0)


def test_fault_060_a_server_whose_supervisor_was_killed_is_shown_and_can_be_stopped(
    trained: SmallWorld,
) -> None:
    port = free_port("127.0.0.1", 0)
    said = trained.script("serve", "small", "--port", str(port), "--detach", "--json")
    supervisor = psutil.Process(said.envelope["data"]["pid"])
    (guard,) = [
        one for one in supervisor.children() if "orchestrator.execute.processes.watchdog" in one.cmdline()
    ]
    guard.kill()  # it would stop the server; nothing is left to look after it
    supervisor.kill()
    wait(lambda: _gone(supervisor.pid))
    # A child that it was starting holds its lock until it has become its program.
    shown = f"serving small at http://127.0.0.1:{port}/v1; its supervisor"
    wait(lambda: shown in trained.run("status").out)
    status = trained.run("status")
    assert f"conch stop {trained.last().name}" in status.out
    assert "stopped" in trained.run("stop", trained.last().name).out
    assert trained.processes() == []
    assert free_port("127.0.0.1", port) == port


def test_fault_060_control_without_its_guard_it_lives_on(trained: SmallWorld) -> None:
    """What the guard is for: with it, a killed supervisor takes its server along."""
    said = trained.script("serve", "small", "--port", str(free_port("127.0.0.1", 0)), "--detach", "--json")
    psutil.Process(said.envelope["data"]["pid"]).kill()
    wait(lambda: not trained.processes())


def test_fault_070_a_test_that_leaves_something_fails(tmp_path: Path) -> None:
    (tmp_path / "test_left.py").write_text(
        textwrap.dedent(
            """
            import os, socket, subprocess
            KEPT = []
            def test_process(tmp_path):
                env = {"CONCH_RUN": "conch.a.b.1.1", "PATH": os.environ["PATH"]}
                KEPT.append(subprocess.Popen(["sleep", "60"], env=env))
            def test_port():
                KEPT.append(socket.create_server(("127.0.0.1", 0)))
            def test_half(tmp_path):
                run = tmp_path / "runs/r/1"
                (run / "export.partial-0").mkdir(parents=True)
                (run / "state.json").write_text('{\\n "schema": 1,\\n "status": "done"}')
            def test_nothing(): pass
            """
        ),
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "tests.conftest",
            "-p",
            "no:cacheprovider",
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert "4 passed, 3 errors" in done.stdout, done.stdout
    for words in ("left running", "left listening", "left half done"):
        assert words in done.stdout
