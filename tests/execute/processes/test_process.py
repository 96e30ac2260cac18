"""Real processes: symbols, the allow-list, trees that hide, signals, logs, and why a child failed."""
# Covers execute/processes/watchdog.py execute/launchers/commands.py

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.errors import Interrupted, MissingError
from orchestrator.execute.host import signals
from orchestrator.execute.host.machine import bound_cores
from orchestrator.execute.launchers.commands import run_command
from orchestrator.execute.processes import diagnosis, process, process_tree
from orchestrator.execute.processes.child_environment import child_environment, resolve_argv
from orchestrator.execute.run_store import stop
from orchestrator.plan.stage import Command, Runtime

ROOT = Path(__file__).parents[3]


def run_shell(script: str, folder: Path, *, env: Mapping[str, str] | None = None, grace: float = 5.0) -> int:
    command = Command(("bash", "-c", script), env=env or {})
    run_tag = process_tree.new_run_tag(folder, folder / "run")
    return run_command(command, symbols={}, cwd=folder, run_tag=run_tag, log=folder / "log", grace=grace)


def start_shell(script: str, folder: Path) -> process.Process:
    run_tag = process_tree.new_run_tag(folder, folder / "run")
    env = child_environment(Command(()), run_tag=run_tag)
    return process.start(("bash", "-c", script), cwd=folder, env=env, log=folder / "log")


def wait_for(path: Path, seconds: float = 10.0) -> str:
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_text(encoding="utf-8").endswith("\n")):
        assert time.monotonic() < deadline, f"{path} never came"
        time.sleep(0.02)
    return path.read_text(encoding="utf-8").strip()


def wait_for_command(command: str, folder: Path) -> None:
    """Wait until a process of the project is this command: between fork and exec it still is its parent's."""
    deadline = time.monotonic() + 10
    prefix = process_tree.project_prefix(folder)
    while command not in {stop.command_line(one.pid) for one in process_tree.scan(prefix)}:
        assert time.monotonic() < deadline, f"{command} never started"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    return process_tree.start_ticks(pid) != 0


def test_only_known_symbols_are_replaced() -> None:
    command = Command(("{train}/bin/python", "{port}", "{not_a_symbol}", '{"json": {}}'))
    argv = resolve_argv(command, {"train": "/e", "port": "80"})
    assert argv == ("/e/bin/python", "80", "{not_a_symbol}", '{"json": {}}')


def test_a_child_gets_the_allow_list_and_nothing_else() -> None:
    source = {
        "PATH": "/bin",
        "LC_ALL": "de_DE.UTF-8",
        "PYTHONPATH": "/evil",
        "PYTHONOPTIMIZE": "2",
        "USE_RAY": "1",
        "VLLM_SERVER_DEV_MODE": "1",
        "OPENAI_API_KEY": "sk-CANARY",
        "HF_TOKEN": "hf_CANARY",
        "CONCH_API_KEY": "key-CANARY",
        "CONCH_HOME": "/models",
        "HTTPS_PROXY": "http://proxy",
        "CONCH_RUN": "somebody else's",
    }
    engine = child_environment(Command((), runtime=Runtime.SERVE), run_tag="c", source=source)
    assert {name for name in engine if name in source} == {"PATH", "LC_ALL", "CONCH_HOME", "CONCH_RUN"}
    assert engine["CONCH_RUN"] == "c"
    assert (engine["HF_HUB_OFFLINE"], engine["SPT_NOENV"]) == ("1", "1")
    assert not any(name.startswith("VLLM") for name in engine), "a variable of an engine is its server's"
    assert "CANARY" not in str(engine)
    task = child_environment(Command((), secrets=("HF_TOKEN",)), run_tag="c", source=source)
    assert (task["HF_TOKEN"], task["HTTPS_PROXY"]) == ("hf_CANARY", "http://proxy")
    assert "HF_HUB_OFFLINE" not in task
    assert "OMP_WAIT_POLICY" not in engine, "vLLM binds its own threads"
    train = child_environment(Command((), runtime=Runtime.TRAIN), run_tag="c", source=source)
    assert (train["HF_HUB_OFFLINE"], train["OMP_WAIT_POLICY"]) == ("1", "PASSIVE")


def test_what_a_command_sets_is_laid_on_top_with_symbols_replaced() -> None:
    given = {"HF_HUB_OFFLINE": "0", "CACHE": "{project}/c", "BIND": "{cores}"}
    command = Command((), runtime=Runtime.SERVE, env=given)
    env = child_environment(command, run_tag="c", symbols={"project": "/p"}, extra={"CACHE": "x"}, source={})
    assert (env["HF_HUB_OFFLINE"], env["CACHE"], env["BIND"]) == ("0", "x", bound_cores())


@pytest.mark.parametrize("script", ["exit 0", "exit 3"])
def test_the_exit_code_and_the_output_of_a_command(script: str, tmp_path: Path) -> None:
    assert run_shell(f"echo 神奇海螺; echo oops >&2; {script}", tmp_path) == int(script[-1])
    assert (tmp_path / "log").read_text(encoding="utf-8") == "神奇海螺\noops\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_ticks_come_while_it_runs(tmp_path: Path) -> None:
    ticks: list[float] = []
    command = Command(("sleep", "1.2"))
    run_command(
        command, symbols={}, cwd=tmp_path, run_tag="conch.t", log=tmp_path / "log", on_tick=ticks.append
    )
    assert len(ticks) == 2
    assert ticks == sorted(ticks)


def test_what_a_tick_raises_ends_the_command(tmp_path: Path) -> None:
    def fall(_: float) -> None:
        raise ValueError("the server died")

    command, began = Command(("sleep", "30")), time.monotonic()
    with pytest.raises(ValueError, match="the server died"):
        run_command(command, symbols={}, cwd=tmp_path, run_tag="conch.t", log=tmp_path / "log", on_tick=fall)
    assert time.monotonic() - began < 5


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    command = Command(("{train}/bin/llamafactory-cli",))
    with pytest.raises(MissingError, match="no-such-env/bin/llamafactory-cli"):
        run_command(
            command, symbols={"train": "/no-such-env"}, cwd=tmp_path, run_tag="c", log=tmp_path / "log"
        )


@pytest.mark.parametrize(
    "hides",
    [
        "sleep 60 & echo $! > pid",
        "setsid sleep 60 & echo $! > pid",
        "setsid bash -c '(trap \"\" TERM; sleep 60) & echo $! > pid' ",
        "(setsid env -i sleep 60 & echo $! > pid) &",
        "setsid nohup bash -c 'setsid sleep 60 & echo $! > pid' &",
    ],
    ids=["background", "setsid", "ignores-term", "cleared-environment", "double-fork"],
)
def test_nothing_that_a_command_started_outlives_it(hides: str, tmp_path: Path) -> None:
    """Fault 66 and 67."""
    assert run_shell(f"{hides}\nwhile ! [ -s pid ]; do sleep 0.01; done", tmp_path, grace=0.5) == 0
    assert not is_alive(int(wait_for(tmp_path / "pid")))


def test_stop_kills_after_the_grace_what_ignores_term_and_floods(tmp_path: Path) -> None:
    child = start_shell('trap "" TERM; echo $$ > pid; while :; do echo flood; done', tmp_path)
    wait_for(tmp_path / "pid")
    began = time.monotonic()
    child.stop(grace=0.5)
    assert 0.4 < time.monotonic() - began < 3
    assert child.poll() == 128 + signal.SIGKILL
    assert child.stop() == []


def test_stop_leaves_a_sibling_of_the_same_run_alone(tmp_path: Path) -> None:
    service, command = start_shell("sleep 60", tmp_path), start_shell("setsid sleep 60 & sleep 60", tmp_path)
    command.stop(grace=1)
    assert service.poll() is None
    assert service.stop(grace=1) == [service.pid]


def test_a_recycled_pid_is_not_signalled(tmp_path: Path) -> None:
    child = start_shell("sleep 60", tmp_path)
    assert not process_tree.send(
        process_tree.Member(child.pid, process_tree.start_ticks(child.pid) + 1, ""), signal.SIGKILL
    )
    assert child.poll() is None
    child.stop(grace=1)


def test_prefixes_find_a_project_a_run_and_a_child(tmp_path: Path) -> None:
    child = start_shell("sleep 60", tmp_path)
    for prefix in (
        process_tree.project_prefix(tmp_path),
        process_tree.run_prefix(tmp_path, tmp_path / "run"),
        process_tree.new_run_tag(tmp_path, tmp_path / "run"),
        child.run_tag,
    ):
        assert [member.pid for member in process_tree.scan(prefix)] == [child.pid]
    assert process_tree.scan(process_tree.project_prefix(tmp_path / "other")) == []
    assert process_tree.scan(child.run_tag[:-1]) == []
    assert process_tree.owner_of(child.run_tag) == (os.getpid(), process_tree.start_ticks(os.getpid()))
    assert process_tree.stop_tagged(process_tree.project_prefix(tmp_path)) == [child.pid]
    assert child.wait(5) == 128 + signal.SIGTERM


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_tree_and_says_which(signum: signal.Signals, tmp_path: Path) -> None:
    """Fault 64 and 65."""
    threading.Timer(0.5, os.kill, (os.getpid(), signum)).start()
    with signals.catch_signals(), pytest.raises(Interrupted) as caught:
        run_shell("setsid sleep 60 & echo $! > pid; sleep 60", tmp_path)
    assert caught.value.signum == signum
    assert "same command again" in str(caught.value)
    assert not is_alive(int(wait_for(tmp_path / "pid")))
    signals.check()  # nothing of it is left for the next run


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    for delay in (0.4, 0.8):
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with signals.catch_signals(), pytest.raises(Interrupted):
        run_shell('trap "" TERM; while :; do sleep 0.1; done', tmp_path, grace=30)
    assert time.monotonic() - began < 5


def orchestrate(folder: Path, *, guard: bool) -> subprocess.Popen[bytes]:
    """Another orchestrator that runs a long command with a setsid grandchild."""
    code = f"""
from pathlib import Path
from contextlib import nullcontext
from orchestrator.execute.launchers.commands import run_command
from orchestrator.execute.host import signals
from orchestrator.execute.processes import process_tree, watchdog
from orchestrator.plan.stage import Command
folder = Path({str(folder)!r})
run_tag = process_tree.new_run_tag(folder, folder / "run")
ready = "until grep -q ^sleep /proc/$!/cmdline; do :; done"  # setsid has become the sleep
command = Command(("bash", "-c", f"setsid sleep 61 & {{ready}}; echo $! > pid; exec sleep 62"))
with watchdog.guarded(run_tag, grace=1) if {guard} else nullcontext(), signals.catch_signals():
    run_command(command, symbols={{}}, cwd=folder, run_tag=run_tag, log=folder / "log")
"""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=env, stderr=subprocess.DEVNULL)


def test_fault_054_a_killed_orchestrators_tree_is_stopped_by_its_guard(tmp_path: Path) -> None:
    """Fault 54 and 60: kill -9 of the orchestrator leaves nothing running."""
    other = orchestrate(tmp_path, guard=True)
    grandchild = int(wait_for(tmp_path / "pid"))
    other.kill()
    other.wait()
    deadline = time.monotonic() + 10
    while process_tree.scan(process_tree.project_prefix(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(grandchild)


def test_a_killed_orchestrators_leftovers_are_swept_but_a_living_ones_are_not(tmp_path: Path) -> None:
    mine = start_shell("sleep 60", tmp_path)
    other = orchestrate(tmp_path, guard=False)
    grandchild = int(wait_for(tmp_path / "pid"))
    wait_for_command("sleep 62", tmp_path)
    assert stop.sweep_leftovers(tmp_path, tmp_path / "run") == []
    other.kill()
    other.wait()
    swept = stop.sweep_leftovers(tmp_path, tmp_path / "run", grace=1)
    assert sorted(one.command for one in swept) == ["sleep 61", "sleep 62"]
    assert not is_alive(grandchild)
    assert mine.poll() is None
    mine.stop(grace=1)


def test_fault_100_a_log_that_outgrows_its_limit_keeps_its_start_and_its_end(tmp_path: Path) -> None:
    """Fault 100, with a child that goes on writing."""
    log = tmp_path / "log"
    child = start_shell("echo first; yes 0123456789 | head -c 5000000; echo last; read", tmp_path)
    child.wait(0.5)
    while b"last" not in log.read_bytes()[-10:]:
        child.wait(0.05)
    process.bound_log(log, limit=2 << 20)
    text = log.read_bytes()
    assert text.startswith(b"first\n")
    assert text.endswith(b"last\n")
    assert b"bytes left out" in text
    assert len(text) < (2 << 20)
    child.stop(grace=1)


def test_why_it_failed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for content, code, what, hint in (
        (b"step 3\n", 137, "killed by signal 9, SIGKILL (out of memory?)", "more memory"),
        (b"x\nRuntimeError: CUDA out of memory. Tried\n", 1, "GPU is out of memory", "batch_size"),
        (b"OSError: [Errno 28] No space left on device\n", 1, "disk full", "free some space"),
        (b"OSError: [Errno 98] Address already in use\n", 1, "port is in use", "--port"),
        (b"ValueError: ... estimated maximum model length is 784.\n", 1, "at most 784", "max_model_len=784"),
        (b"", 1, "its log is empty", ""),
    ):
        log.write_bytes(content)
        problem = diagnosis.explain_failure(log, code)
        assert what in problem.what
        assert hint in problem.hint


def test_the_first_error_is_shown_not_the_last_and_made_safe(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(
        b"hello\n(EngineCore) ERROR the root \xff cause\x1b[2J sk-CANARY\n"
        + b"noise\n" * 50
        + b"RuntimeError: see above\n"
    )
    problem = diagnosis.explain_failure(log, 1, hide=["sk-CANARY"])
    assert "the root \\xff cause\\x1b[2J ***" in problem.what
    assert "see above" not in problem.what
    assert problem.where == str(log)


def test_a_missing_log_is_no_trouble(tmp_path: Path) -> None:
    assert "exit code 2" in diagnosis.explain_failure(tmp_path / "none", 2).what


def test_an_engine_finds_the_programs_of_its_own_environment() -> None:
    """LLaMA-Factory calls `torchrun` by its name alone."""
    command = Command(("x",), runtime=Runtime.TRAIN)
    env = child_environment(
        command, run_tag="c", symbols={"train": "/envs/train"}, source={"PATH": "/usr/bin"}
    )
    assert env["PATH"] == "/envs/train/bin:/usr/bin"
    own = child_environment(Command(("x",)), run_tag="c", symbols={}, source={"PATH": "/usr/bin"})
    assert own["PATH"] == "/usr/bin"
