"""Commands without network: nothing gets out, loopback and everything else is as before, and it says so."""
# Covers execute/launchers/network.py execute/processes/confinement.py

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import MissingError, StageFailed
from orchestrator.execute.host import gpu
from orchestrator.execute.launchers import commands, network
from orchestrator.execute.launchers.commands import outcome, problems_file, run_command
from orchestrator.execute.processes import confinement, no_network, process_tree
from orchestrator.execute.run_store import manifest
from orchestrator.execute.run_store.run_folder import Run
from orchestrator.execute.runner.loop import Loop
from orchestrator.plan.stage import Command, Plan, Runtime, Stage
from tests.execute.runner.test_loop import Heard
from tests.small_world import SmallWorld
from tests.watch import listens

GOLDEN = Path(__file__).parents[2] / "golden"
LEAVE = (sys.executable, "-I", "-S", no_network.__file__)
# Namespaces are forbidden in most containers; a filter of system calls is possible everywhere.
POSSIBLE = [
    way
    for way in no_network.WAYS
    if way == no_network.FILTER
    or subprocess.run([*LEAVE, way], env={}, capture_output=True, check=False).returncode == 0
]

GETS_OUT = """
import socket
for kind, address in ((socket.SOCK_STREAM, ("192.0.2.1", 443)), (socket.SOCK_DGRAM, ("192.0.2.53", 53))):
    try:
        with socket.socket(socket.AF_INET, kind) as one:
            one.setblocking(False)
            one.connect(address)
        print("out")
    except BlockingIOError:
        print("out")
    except OSError:
        print("in")
"""
LOOPBACK = """
import socket
with socket.create_server(("127.0.0.1", 0)) as server:
    socket.create_connection(server.getsockname()).close()
print("heard")
"""
# What a program can see of how it was started.
STATE = """
import json, os, resource, sys
names = [name for name in dir(resource) if name.startswith("RLIMIT")]
limits = {name: resource.getrlimit(getattr(resource, name)) for name in names}
status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
open("made", "w").close()
os.umask(mask := os.umask(0))
print(json.dumps({
    "ids": [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), *os.stat("made")[4:6]],
    "mask": mask, "limits": limits, "ignored": status["SigIgn"], "blocked": status["SigBlk"],
    "session": os.getsid(0) == os.getpid() == os.getpgrp(), "folder": os.getcwd(), "argv": sys.argv[1:],
    "nice": os.nice(0), "env": {key: value for key, value in os.environ.items() if key != "CONCH_RUN"},
}))
"""


@pytest.fixture(autouse=True)
def tried_anew() -> Iterator[None]:
    confinement.confinement.cache_clear()
    yield
    confinement.confinement.cache_clear()


@pytest.fixture
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A way to leave the network, as if it were the only one."""
    chosen: str = request.param
    monkeypatch.setattr(no_network, "WAYS", (chosen,))
    return chosen


every_way = pytest.mark.parametrize("way", POSSIBLE, indirect=True)


def run(script: str, folder: Path, runtime: Runtime = Runtime.TRAIN, *words: str) -> tuple[int, str]:
    """A script as a command of a plan: its exit code, and its log."""
    return run_argv((sys.executable, "-S", "-c", script, *words), folder, runtime)


def run_argv(argv: tuple[str, ...], folder: Path, runtime: Runtime = Runtime.TRAIN) -> tuple[int, str]:
    command = Command(argv, runtime=runtime)
    tag = process_tree.new_run_tag(folder, folder / "run")
    log = folder / f"{runtime}.log"
    code = run_command(command, symbols={}, cwd=folder, run_tag=tag, log=log)
    return code, log.read_text(encoding="utf-8")


@every_way
@pytest.mark.parametrize("runtime", [Runtime.TRAIN, Runtime.SERVE])
def test_fault_149_an_engine_gets_no_packet_out(way: str, runtime: Runtime, tmp_path: Path) -> None:
    code, log = run(GETS_OUT, tmp_path, runtime)
    assert (code, log) == (0, f"without network ({way}): 3 attempts to get out failed\nin\nin\n")
    found = confinement.confinement()
    assert found.way == way
    assert set(found.attempts) == {"TCP 192.0.2.1:443", "TCP [2001:db8::1]:443", "DNS 192.0.2.53:53"}
    assert all(found.attempts.values())
    assert f"without network ({way}): 3 attempts" in found.sentence
    assert found.sentence.zh.endswith("）：3 次外连尝试均失败")


def test_fault_149_control_without_it_the_namespace_is_ours(tmp_path: Path) -> None:
    """A task keeps the network: what it sees is what this process sees."""
    script = "import os; print(os.stat('/proc/self/ns/net').st_ino)"
    ours = f"{Path('/proc/self/ns/net').stat().st_ino}\n"
    assert run(script, tmp_path, Runtime.CONCH) == (0, ours)
    assert run(script, tmp_path, Runtime.TRAIN)[1].endswith(ours) is False


@pytest.mark.parametrize("way", [one for one in POSSIBLE if one != no_network.FILTER], indirect=True)
def test_loopback_is_there_in_a_namespace(way: str, tmp_path: Path) -> None:
    assert run(LOOPBACK, tmp_path)[1].endswith("heard\n")


@every_way
def test_fault_150_all_else_is_as_before(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User, group, files, limits, signals, session, environment, words, umask and niceness."""
    monkeypatch.setenv("LC_ALL", "C")  # in which Python adds a variable of its own
    words = ("", "a b", "海", "-c", "{x}")
    with monkeypatch.context() as patched:
        patched.setattr(confinement, "confinement", lambda: confinement.Confinement(reason="not tried"))
        _, before = run(STATE, tmp_path, Runtime.TRAIN, *words)
    code, after = run(STATE, tmp_path, Runtime.TRAIN, *words)
    assert (code, len(after.splitlines())) == (0, 3)
    assert json.loads(after.splitlines()[-1]) == json.loads(before)


@every_way
@pytest.mark.parametrize(("ends", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -PIPE $$", 141)])
def test_fault_150_it_ends_as_the_command_ends(way: str, ends: str, code: int, tmp_path: Path) -> None:
    assert run_argv(("sh", "-c", ends), tmp_path)[0] == code


@every_way
def test_fault_150_the_tree_is_found_and_stopped(way: str, tmp_path: Path) -> None:
    """Its leader ignores TERM, and its grandchild left the session: both are gone after a stop."""
    script = "trap '' TERM; setsid sleep 60 & sleep 60; sleep 60"
    command = Command(("sh", "-c", script), runtime=Runtime.TRAIN)
    tag = process_tree.new_run_tag(tmp_path, tmp_path / "run")
    started = commands.ParallelCommand.start(
        command, symbols={}, cwd=tmp_path, run_tag=tag, log=tmp_path / "log"
    )
    deadline = time.monotonic() + 10
    while len(process_tree.scan(tag)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert started.launched.cpu_seconds() >= 0
    started.launched.stop(0.2)
    assert process_tree.scan(tag) == []


@every_way
def test_fault_150_a_program_that_is_missing_is_named(way: str, tmp_path: Path) -> None:
    command = Command(("/nowhere/python", "x"), runtime=Runtime.TRAIN)
    log = tmp_path / "log"
    started = commands.ParallelCommand.start(
        command, symbols={}, cwd=tmp_path, run_tag="conch.a.b.1.2", log=log
    )
    with pytest.raises(MissingError, match="cannot start: No such file or directory") as caught:
        started.finish()
    assert (caught.value.problems[0].where, caught.value.problems[0].hint) == (
        "/nowhere/python",
        "conch doctor",
    )


@pytest.mark.parametrize(
    ("way", "says"),
    [
        (no_network.ROOT, "cannot leave the network by network namespace"),
        (no_network.USER, "cannot leave the network by user namespace"),
        (no_network.FILTER, "cannot leave the network by seccomp"),
        ("", "cannot leave the network: not here"),
    ],
)
def test_fault_151_a_command_does_not_start_where_the_network_is_still_there(
    way: str, says: str, tmp_path: Path
) -> None:
    """Each way, broken: nothing is started, and the run fails with the reason."""
    broken, log = tmp_path / "broken.py", tmp_path / "log"
    text = Path(no_network.__file__).read_text(encoding="utf-8")
    instead = "pass" if way else "raise OSError(1, 'not here')"
    broken.write_text(text.replace("        leave([way])\n", f"        {instead}\n"), encoding="utf-8")
    assert broken.read_text(encoding="utf-8") != text
    env = {"PATH": os.defpath, "CONCH_PROBLEMS": str(problems_file(log))}
    argv = [sys.executable, "-I", "-S", str(broken), way, "touch", str(tmp_path / "ran")]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (no_network.REFUSED, "")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(StageFailed, match=says):
        outcome(done.returncode, log, 0)


def test_a_user_namespace_that_works_by_half_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where AppArmor allows the namespace and forbids its maps: seccomp then, in a process of its own."""
    broken = tmp_path / "broken.py"
    text = Path(no_network.__file__).read_text(encoding="utf-8")
    broken.write_text(text.replace('f"/proc/self/{name}"', '"/proc/1/uid_map"'), encoding="utf-8")
    assert broken.read_text(encoding="utf-8") != text
    monkeypatch.setattr(confinement, "_LEAVE", (*LEAVE[:-1], str(broken)))
    monkeypatch.setattr(no_network, "WAYS", (no_network.USER, no_network.FILTER))
    assert confinement.confinement().way == no_network.FILTER
    assert run(GETS_OUT, tmp_path)[1].endswith("in\nin\n")


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (
            ("sh", "-c", "echo cannot leave the network: Operation not permitted >&2; exit 71"),
            "Operation not",
        ),
        (("/nowhere/python",), "No such file"),
        (("echo", "not JSON"), "Expecting value"),
    ],
)
def test_fault_152_where_it_is_not_possible_it_says_so(
    leave: tuple[str, ...], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "_LEAVE", leave)
    found = confinement.confinement()
    assert found.way == ""
    assert found.reason.count(reason) == len(no_network.WAYS)
    assert found.sentence.startswith("engines keep the network, because it cannot be taken from them here: ")
    assert "未与网络隔离" in found.sentence.zh
    assert run("print('ran')", tmp_path) == (0, "ran\n")


@pytest.mark.parametrize(
    ("way", "devices", "cards", "reason"),
    [
        (no_network.ROOT, ("nvidiactl",), 8, ""),
        (no_network.USER, ("nvidiactl",), 1, "nvidia-modprobe -u makes it"),
        (no_network.FILTER, ("nvidiactl",), 1, "nvidia-modprobe -u makes it"),
        (no_network.USER, ("nvidiactl", "nvidia-uvm"), 8, ""),
        (no_network.FILTER, ("nvidiactl", "nvidia-uvm"), 1, ""),
        (no_network.FILTER, ("nvidiactl", "nvidia-uvm"), 2, "several GPUs needs loopback"),
    ],
)
def test_a_way_that_would_take_the_gpus_is_not_taken(
    way: str, devices: tuple[str, ...], cards: int, reason: str, request: pytest.FixtureRequest
) -> None:
    tmp_path, monkeypatch = request.getfixturevalue("tmp_path"), request.getfixturevalue("monkeypatch")
    for name in devices:
        (tmp_path / name).touch()
    monkeypatch.setattr(confinement, "_LEAVE", ("sh", "-c", 'echo "{}"'))
    monkeypatch.setattr(no_network, "WAYS", (way,))
    monkeypatch.setattr(confinement, "_DEVICES", tmp_path)
    monkeypatch.setattr(gpu, "gpus", lambda: [gpu.Gpu("GPU", "580", 1)] * cards)
    found = confinement.confinement()
    assert (found.way, reason in found.reason) == ("" if reason else way, True)


def test_fault_153_a_run_records_how_its_engines_left_the_network(small: SmallWorld) -> None:
    small.after("run", "small")
    (folder,) = (small.project / "runs/small").glob("2*")
    found: Any = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert found["network"]["sentence"] == confinement.confinement().sentence
    assert found["network"]["way"] in found["network"]["sentence"]
    assert len(found["network"]["attempts"]) == 3
    assert all(found["network"]["attempts"].values())
    left = {
        name for name, stage in found["stages"].items() if stage.get("offline") == found["network"]["way"]
    }
    assert left == {"prove_data", "train", "export", "prove_export", "score"}
    for name in left:
        assert "without network (" in (folder / f"logs/{name}.log").read_text(encoding="utf-8")
    for page in ("report.html", "report.md"):
        assert found["network"]["sentence_zh"] in (folder / "report" / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("possible", [True, False])
def test_fault_153_a_run_says_once_whether_its_engines_leave_it(
    *, possible: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not possible:
        monkeypatch.setattr(confinement, "_LEAVE", ("sh", "-c", "echo no >&2; exit 1"))
    task, probe = (Command(("true",), runtime=one) for one in (Runtime.CONCH, Runtime.TRAIN))
    stages = tuple(Stage(str(number), commands=(one,)) for number, one in enumerate((task, probe, probe)))
    heard, made = Heard(), Run.create(tmp_path, "small")
    tag = process_tree.new_run_tag(tmp_path, made.path)
    Loop(Plan("small", "", stages), made, {"project": str(tmp_path)}, {}, heard, tag).perform()
    said = [line.strip() for line in heard.lines if "network" in line]
    assert said == [confinement.confinement().sentence]
    ways = [event["offline"] for event in made.events() if event["event"] == "stage_begun"]
    assert ways == ["", confinement.confinement().way, confinement.confinement().way]
    assert bool(ways[1]) is possible


def test_what_was_last_found_out_counts() -> None:
    one = {"event": "network", "way": "", "sentence": "a", "sentence_zh": "甲", "attempts": {}}
    found = manifest.network_of([{"event": "begun"}, one, one | {"way": "seccomp"}, {"event": "ended"}])
    assert found is not None
    assert found["way"] == "seccomp"
    assert manifest.network_of([{"event": "begun"}]) is None


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*-c*.json")), ids=lambda path: path.stem)
def test_every_engine_command_of_every_recipe_leaves_it(golden: Path) -> None:
    """What keeps the network is Conch's own tasks, and servers."""
    plan = Plan.from_json(json.loads(golden.read_text(encoding="utf-8")))
    for stage in plan.stages:
        engines = [
            command
            for command in stage.commands
            if command.argv[0].startswith(("{train}", "{ppo}", "{serve}"))
        ]
        assert list(network.offline_commands(stage)) == engines, stage.name
    assert any(network.offline_commands(stage) for stage in plan.stages)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (Command(("{train}/bin/llamafactory-cli", "train"), Runtime.TRAIN), ""),
        (Command(("{train}/bin/llamafactory-cli", "train"), Runtime.TRAIN, env={"NNODES": "1"}), ""),
        (
            Command(("{train}/bin/llamafactory-cli", "train"), Runtime.TRAIN, env={"NNODES": "2"}),
            "several nodes",
        ),
        (Command(("{conch}/bin/python", "-m", "x")), "tasks"),
        (Command(("{bench}/bin/python", "x")), "benchmark tools"),
    ],
)
def test_what_keeps_the_network_is_a_line_of_the_table(command: Command, line: str) -> None:
    assert network.exemption(command) == line
    assert line in {"", *network.EXEMPT}


def test_the_table_of_what_keeps_it_is_in_the_documents() -> None:
    text = (GOLDEN.parents[1] / "docs/security.md").read_text(encoding="utf-8")
    assert [name for name, why in network.EXEMPT.items() if f"| {name} | {why} |" not in text] == []


def test_a_listener_is_seen_whatever_its_namespace(tmp_path: Path) -> None:
    """The end-to-end test that a training listens on no port would otherwise not see one (tests/watch.py)."""
    listen = (
        "import socket, sys; one = socket.create_server(('127.0.0.1', 0)); print('up', flush=True); input()"
    )
    for prefix in ((), (*LEAVE, POSSIBLE[0])):
        child = subprocess.Popen(
            [*prefix, sys.executable, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        assert listens(child.pid)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert not listens(os.getpid())
