"""Services with the fake vllm: ready means a real answer of ours; every way to fail has its own words."""
# Covers execute/servers/health.py

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from orchestrator.errors import Interrupted, MissingError, StageFailed, TimedOut
from orchestrator.execute.host import signals
from orchestrator.execute.processes import process, process_tree
from orchestrator.execute.servers import service
from orchestrator.execute.servers.service import Running, Warm
from orchestrator.plan.stage import Command, Runtime, Service

PROBES = Path(__file__).parents[3] / "orchestrator" / "probes"
SERVE = (
    "serve",
    "export",
    "--config",
    "vllm.yaml",
    "--port",
    "{port}",
    "--served-model-name",
    "magic",
)


def local(server: Running | Warm) -> process.Process:
    """Its process, which the local launcher started."""
    assert isinstance(server.process, process.Process)
    return server.process


class Bench:
    """A run folder with an export, and the fake environment."""

    def __init__(self, folder: Path, engines: Path) -> None:
        self.folder = folder
        self.symbols = {"serve": str(engines), "probes": str(PROBES)}
        self.run_tag = process_tree.new_run_tag(folder, folder / "run")
        self.started: list[process.Process] = []
        (folder / "export").mkdir(parents=True)
        (folder / "vllm.yaml").write_text("dtype: float32\n", encoding="utf-8")
        (folder / "export" / "answers.json").write_text('{"请问你是谁": "我是神奇海螺"}', encoding="utf-8")

    def service(self, fault: str = "", *, ready: float = 20.0, stall: float = 20.0) -> Service:
        env = {"FAULT": fault}
        return Service(
            name="vllm",
            engine="vllm",
            command=Command(("{serve}/bin/vllm", *SERVE), runtime=Runtime.SERVE, env=env),
            model="magic",
            warm=Command(
                ("{serve}/bin/python", "{probes}/engines/warm_vllm.py"), runtime=Runtime.SERVE, env=env
            ),
            ready_timeout=ready,
            stall_timeout=stall,
        )

    def start(self, wanted: Service, *, key: str | None = None, port: int | None = None) -> Running:
        log = self.folder / "logs" / "vllm.log"
        running = service.start_service(
            wanted, symbols=self.symbols, cwd=self.folder, run_tag=self.run_tag, log=log, key=key, port=port
        )
        self.started.append(local(running))
        return running

    def warm(self, wanted: Service, *, key: str | None = None) -> Warm:
        log = self.folder / "logs" / "vllm.log"
        warm = service.start_warm(
            wanted, symbols=self.symbols, cwd=self.folder, run_tag=self.run_tag, log=log, key=key
        )
        self.started.append(local(warm))
        return warm

    def leftovers(self) -> list[process_tree.Member]:
        return process_tree.scan(self.run_tag)


@pytest.fixture
def bench(tmp_path: Path, engines: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "run", engines)
    yield made
    for child in made.started:
        child.stop(grace=1)


def answer(running: Running, question: str, key: str = "unasked") -> str:
    body = {"model": "magic", "messages": [{"role": "user", "content": question}]}
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(trust_env=False) as client:
        reply = client.post(f"{running.url}/chat/completions", json=body, headers=headers)
    return str(reply.json()["choices"][0]["message"]["content"])


def test_it_is_ready_when_it_answers_and_gone_when_it_is_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a proxy that the user set for everything, which loopback must not use (Fault 87)."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    running = bench.start(bench.service())
    assert running.wait_ready() < 20
    assert running.url == f"http://127.0.0.1:{running.port}/v1"
    assert answer(running, "请问你是谁") == "我是神奇海螺"
    running.check()
    began = time.monotonic()
    assert running.stop()
    assert time.monotonic() - began < 3
    assert bench.leftovers() == []


def test_a_key_is_needed_and_never_shown(bench: Bench) -> None:
    running = bench.start(bench.service(), key="sk-CANARY")
    running.wait_ready()
    assert answer(running, "请问你是谁", key="sk-CANARY") == "我是神奇海螺"
    assert "CANARY" not in repr(running)
    commands = [Path(f"/proc/{one.pid}/cmdline").read_bytes() for one in local(running).members()]
    assert b"CANARY" not in b"".join(commands)
    running.stop()
    assert "CANARY" not in running.process.log.read_text(encoding="utf-8")


def test_a_warm_server_waits_for_the_word_and_then_serves(bench: Bench) -> None:
    warm = bench.warm(bench.service(), key="k")
    time.sleep(0.3)
    assert warm.process.poll() is None
    running = warm.release(bench.symbols)
    running.wait_ready()
    assert answer(running, "请问你是谁", key="k") == "我是神奇海螺"
    running.stop()
    assert bench.leftovers() == []


def test_a_warm_server_that_is_not_wanted_ends_by_itself_or_is_stopped(bench: Bench) -> None:
    first, second = bench.warm(bench.service()), bench.warm(bench.service())
    local(first).close_input()
    assert first.process.wait(20) == 0
    first.stop()
    second.stop()
    assert bench.leftovers() == []


def test_releasing_a_warm_server_that_died_says_why(bench: Bench, engines: Path) -> None:
    script = "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'vllm'\"; exit 1\n"
    (engines / "bin" / "python").write_text(script, encoding="utf-8")
    warm = bench.warm(bench.service())
    warm.process.wait(5)
    with pytest.raises(MissingError, match="lacks the module vllm") as caught:
        warm.release(bench.symbols)
    assert caught.value.problems[0].hint == "conch env sync"


def test_a_slow_start_is_told_and_not_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 82: the stall limit is shorter than the start."""
    monkeypatch.setattr(service, "_REPORT_SECONDS", 0.5)
    heard: list[str] = []
    running = bench.start(bench.service("slow-ready", stall=1.5))
    assert running.wait_ready(heard.append) > 2.5
    assert any(re.fullmatch(r"vllm: loading the weights, \d+ s", line) for line in heard)
    running.stop()


def test_a_silent_and_idle_server_is_hung(bench: Bench) -> None:
    """Fault 81."""
    running = bench.start(bench.service("hang", stall=1.5))
    with pytest.raises(TimedOut, match=r"hung: no output and no work for \d s") as caught:
        running.wait_ready()
    assert "serving model export" in str(caught.value)
    running.stop()


def test_a_start_that_takes_too_long(bench: Bench) -> None:
    running = bench.start(bench.service("slow-ready", ready=1.0))
    with pytest.raises(TimedOut, match="not ready after 1 s"):
        running.wait_ready()
    running.stop()


def test_healthy_but_not_answering(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault 83."""
    monkeypatch.setattr(service, "CANARY_SECONDS", 1.0)
    running = bench.start(bench.service("wedge-health-ok"))
    with pytest.raises(TimedOut, match="the server is up, but its engine gave no token"):
        running.wait_ready()
    running.stop()


def test_a_server_that_dies_at_start_names_the_root_cause(bench: Bench) -> None:
    """Fault 72: not "See root cause above"."""
    running = bench.start(bench.service("oom"))
    with pytest.raises(MissingError, match=r"not enough free GPU memory \(3\.5 of 79\.1 GiB are free\)"):
        running.wait_ready()


def test_a_server_without_its_model(bench: Bench) -> None:
    (bench.folder / "export" / "answers.json").unlink()
    (bench.folder / "export").rmdir()
    running = bench.start(bench.service())
    with pytest.raises(StageFailed, match="OSError: no model folder export"):
        running.wait_ready()


def test_a_server_that_dies_later_is_noticed(bench: Bench) -> None:
    """Fault 85."""
    running = bench.start(bench.service("die-after-ready"))
    running.wait_ready()
    running.process.wait(5)
    with pytest.raises(StageFailed, match="killed by signal 9, SIGKILL"):
        running.check()


def test_a_port_that_is_taken_names_its_holder(bench: Bench) -> None:
    """Fault 47 and 76: the first holder is unharmed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            MissingError, match=rf"port {port}: .*process {os.getpid()} \(.+\) uses it"
        ) as caught:
            bench.start(bench.service(), port=port)
        assert "--port" in caught.value.problems[0].hint
        assert bench.leftovers() == []


def test_a_server_of_somebody_else_on_our_port_is_not_taken_for_ours(bench: Bench) -> None:
    first = bench.start(bench.service())
    first.wait_ready()
    second = bench.start(bench.service("slow-ready"))
    second.port = first.port
    with pytest.raises(MissingError, match=rf"port {first.port}: another server answers there"):
        second.wait_ready()
    first.check()
    second.stop()
    first.stop()


@pytest.mark.parametrize("fault", ["ignore-term", "setsid-grandchild", "flood", "bad-utf8"])
def test_a_naughty_server_serves_and_is_stopped_with_everything(fault: str, bench: Bench) -> None:
    """Fault 66 and 67."""
    running = bench.start(bench.service(fault))
    running.wait_ready()
    began = time.monotonic()
    running.stop(grace=0.5)
    assert time.monotonic() - began < 4
    assert bench.leftovers() == []
    with pytest.raises(httpx.ConnectError), httpx.Client(trust_env=False) as client:
        client.get(running.url)


def test_a_signal_while_it_starts(bench: Bench) -> None:
    """Fault 64 and 69."""
    running = bench.start(bench.service("slow-ready"))
    threading.Timer(0.5, os.kill, (os.getpid(), 15)).start()
    with signals.catch_signals(), pytest.raises(Interrupted) as caught:
        running.wait_ready()
    assert caught.value.signum == 15
    running.stop()


def test_a_service_without_a_warm_command_cannot_be_warmed(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no warm command"):
        bench.warm(replace(bench.service(), warm=None))
