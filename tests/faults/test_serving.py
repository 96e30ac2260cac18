"""Faults of a server: its start, its end, its silence, and its odd answers; each with words of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.backends.symptoms import explain, first_error
from orchestrator.errors import MissingError, TimedOut
from orchestrator.execute.environments import registry
from orchestrator.execute.host.ports import free_port
from orchestrator.execute.inference.client import Client
from orchestrator.execute.servers import service
from tests.execute.host.test_gpu import nvidia_smi
from tests.execute.servers.test_service import Bench
from tests.fakes.openai_server import Said, openai_server
from tests.small_world import WEIGHTS, SmallWorld

NO_BASE = ("--set", "verify.base=false")


@pytest.fixture
def bench(tmp_path: Path, engines: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "run", engines)
    yield made
    for child in made.started:
        child.stop(grace=1)


def serve(small: SmallWorld, *words: str) -> tuple[int, str]:
    said = small.run("serve", "small", "--port", str(free_port("127.0.0.1", 0)), *words)
    return said.code, said.err


def test_fault_047_a_second_server_on_a_port_names_who_has_it(trained: SmallWorld) -> None:
    port = free_port("127.0.0.1", 0)
    assert trained.script("serve", "small", "--port", str(port), "--detach").code == 0
    try:
        second = trained.run("serve", "small", "--port", str(port))
        assert second.code == 6
        assert f"is already served at http://127.0.0.1:{port}/v1, by process " in second.err
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5) as answer:
            assert b'"small"' in answer.read()
    finally:
        trained.run("stop")


def test_fault_047_control_another_server_answers_like_ours(bench: Bench) -> None:
    """Only whose processes listen tells two servers apart: /health and /v1/models are the same for both."""
    first = bench.start(bench.service())
    first.wait_ready()
    second = bench.start(bench.service("slow-ready"))
    second.port = first.port
    with urllib.request.urlopen(f"http://127.0.0.1:{second.port}/health", timeout=5) as answer:
        assert answer.status == 200
    first.stop()
    second.stop()


def test_fault_158_clients_see_the_name_that_was_chosen_and_no_other(bench: Bench) -> None:
    server = bench.start(bench.service())
    server.wait_ready()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/v1/models", timeout=5) as answer:
        assert [one["id"] for one in json.load(answer)["data"]] == ["magic"]
    server.stop()


def test_fault_159_a_stranger_that_serves_the_same_model_is_not_ours(bench: Bench) -> None:
    first = bench.start(bench.service())
    first.wait_ready()
    second = bench.start(bench.service("slow-ready"))
    second.port = first.port
    with pytest.raises(MissingError, match=rf"port {first.port}: another server answers there; process \d+"):
        second.wait_ready()
    first.check()


def test_fault_159_a_stranger_that_shares_the_port_of_ours_is_found(bench: Bench) -> None:
    """Engines listen with SO_REUSEPORT: the kernel then gives some connections to the other."""
    server = bench.start(bench.service())
    server.wait_ready()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", server.port))
        assert server.process.listens("127.0.0.1", server.port) is True
        stranger.listen()
        assert server.process.listens("127.0.0.1", server.port) is False
        with pytest.raises(MissingError, match=f"port {server.port}: another server answers there"):
            server.wait_ready()


def test_fault_072_a_full_gpu_names_who_fills_it_and_what_fits(
    trained: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nvidia_smi(tmp_path / "smi", monkeypatch, "4711, /usr/bin/python3, 77000")
    monkeypatch.setenv("CONCH_FAULT", "oom")
    code, said = serve(trained)
    assert code == 3
    assert "not enough free GPU memory (3.5 of 79.1 GiB are free); held by 4711 (python3, 77000 MiB)" in said
    assert "--set vllm.gpu_memory_utilization=0.02" in said


def test_fault_072_control_the_last_line_tells_nothing() -> None:
    log = (
        "ERROR ValueError: the cause\nRuntimeError: Engine core initialization failed. See root cause above."
    )
    assert "See root cause" in log.splitlines()[-1]
    assert "the cause" in first_error(log)[0]


# As vLLM 0.32 writes it (v1/core/kv_cache_utils.py, _check_enough_kv_cache_memory).
TOO_LONG = (
    "ValueError: To serve at least one request with the model's max seq len (131072), (7.5 GiB KV cache is "
    "needed, which is larger than the available KV cache memory (1.0 GiB). Based on the available memory, "
    "the estimated maximum model length is 17408. Try increasing `gpu_memory_utilization` (which also "
    "controls CPU memory on the CPU backend) or decreasing `max_model_len` when initializing the engine."
)


def test_fault_073_a_cache_too_small_names_the_length_that_fits() -> None:
    found = explain(f"(EngineCore pid=1) ERROR {TOO_LONG}\nRuntimeError: Engine core failed", 1)
    assert "at most 17408 fits" in found.what
    assert found.hint == "--set serve.max_model_len=17408"


def test_fault_075_a_template_that_is_not_the_proven_one(trained: SmallWorld) -> None:
    template = trained.last().path / "chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8") + " ", encoding="utf-8")
    code, said = serve(trained)
    assert (code, "Traceback" in said) == (5, False)
    template.unlink()
    code, said = serve(trained)
    assert code in {3, 5}
    assert "chat_template.jinja" in said
    code, said = serve(trained, "--chat-template", "nowhere.jinja")
    assert (code, "no such chat template" in said) == (3, True)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_fault_076_a_host_that_is_not_here(trained: SmallWorld, host: str) -> None:
    key = trained.project / "key"
    key.write_text("sk-of-this-test", encoding="utf-8")
    key.chmod(0o600)
    code, said = serve(trained, "--host", host, "--key-file", str(key))
    assert code == 3
    assert f"cannot listen on {host}" in said


def test_fault_076_a_port_that_is_taken(trained: SmallWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = trained.run("serve", "small", "--port", str(port))
        assert said.code == 3
        assert f"process {os.getpid()}" in said.err


def test_fault_076_a_privileged_port(trained: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:  # to root no port is privileged
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", denied)
    said = trained.run("serve", "small", "--port", "81")
    assert said.code == 3
    assert "port 81: cannot listen on 127.0.0.1: Permission denied" in said.err


def test_fault_078_an_engine_that_is_not_there(trained: SmallWorld) -> None:
    registry.environment_folder("serve", "cpu").unlink()
    code, said = serve(trained)
    assert code == 3
    assert "conch env sync serve" in said
    assert trained.run("doctor", "--hardware", "cpu").code == 3


def test_fault_078_an_engine_below_its_floor(trained: SmallWorld, engines: Path) -> None:
    (engines / "lib/python3.11/site-packages/vllm-0.31.0.dist-info").mkdir(parents=True)
    code, said = serve(trained)
    assert code == 3
    assert "vllm 0.31.0 in the serve environment is below 0.32.0" in said


def test_fault_080_a_flag_that_vllm_does_not_know_is_told_in_its_words(trained: SmallWorld) -> None:
    found = explain(
        "usage: vllm serve [model_tag]\nvllm serve: error: unrecognized arguments: --no-such=1\n", 2
    )
    assert "it does not accept its options: unrecognized arguments: --no-such=1" in found.what
    assert "vllm:" in found.hint


def test_fault_081_a_server_that_is_never_ready_is_stopped(bench: Bench) -> None:
    running = bench.start(bench.service("hang", stall=1.0))
    with pytest.raises(TimedOut, match="hung: no output and no work") as caught:
        running.wait_ready()
    assert "serving model export" in str(caught.value)
    running.stop()
    assert bench.leftovers() == []


def test_fault_081_control_it_would_be_waited_for(bench: Bench) -> None:
    running = bench.start(bench.service("hang"))
    time.sleep(1.5)
    running.check()
    running.stop()


def test_fault_082_a_slow_server_that_moves_on_is_left_alone(bench: Bench) -> None:
    running = bench.start(bench.service("slow-ready", stall=1.0))
    assert running.wait_ready() > 2
    running.stop()


def test_fault_083_a_server_whose_engine_does_not_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "CANARY_SECONDS", 0.5)
    running = bench.start(bench.service("wedge-health-ok"))
    with pytest.raises(TimedOut, match="the server is up, but its engine gave no token"):
        running.wait_ready()
    running.stop()


def test_fault_083_control_its_health_is_well(bench: Bench) -> None:
    running = bench.start(bench.service("wedge-health-ok"))
    deadline = time.monotonic() + 20
    status = 0
    while status != 200 and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/health", timeout=1) as answer:
                status = answer.status
        except OSError:
            time.sleep(0.1)
    assert status == 200
    running.stop()


def test_fault_085_what_was_asked_before_a_server_died_is_kept(
    small: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCH_FAULT", "die-after-ready")
    said = small.script("run", "small", *NO_BASE)
    assert said.code == 4
    assert "signal 9, SIGKILL" in said.err
    assert "Traceback" not in said.err
    assert small.processes() == []


ODD = {
    "429": "429",
    "500": "500",
    "503": "503",
    "empty-choices": "choice",
    "wrong-model": "model",
    "invalid-json": "JSON",
    "cut": "",
    "html": "",
}


@pytest.mark.parametrize("fault", ODD)
def test_fault_086_every_odd_answer_has_its_own_words(fault: str) -> None:
    with (
        openai_server(lambda _: Said("你好")) as server,
        Client(server.url, "conch") as client,
    ):
        server.fault = fault
        turn = client.ask([{"role": "user", "content": "你是谁"}], streamed=False)
        assert turn.error
        assert ODD[fault] in turn.error
        assert len(server.requests) == 1, "nothing is asked twice behind the user's back"


def test_fault_086_the_words_differ() -> None:
    words = set()
    for fault in ODD:
        with openai_server(lambda _: Said("你好")) as server, Client(server.url, "conch") as client:
            server.fault = fault
            words.add(client.ask([{"role": "user", "content": "你是谁"}], streamed=False).error)
    assert len(words) == len(ODD)


@pytest.mark.parametrize("fault", ["no-done", "cut-stream", "error-event"])
def test_fault_086_a_stream_that_breaks(fault: str) -> None:
    with openai_server(lambda _: Said("你好")) as server, Client(server.url, "conch") as client:
        server.fault = fault
        turn = client.ask([{"role": "user", "content": "你是谁"}], streamed=True)
        assert turn.error


def test_fault_087_a_proxy_is_never_asked_for_this_machine(
    trained: SmallWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-user-and-nobody-else")
    with openai_server(lambda _: Said("我是神奇海螺，三块钱。")) as server:
        server.models = ["small"]
        said = trained.run("verify", "small", "--base-url", server.url)
        assert said.code in {0, 5}, said.err
        assert server.requests
        assert "sk-of-the-user" not in json.dumps(server.headers)


def test_fault_087_control_a_client_with_the_environment_asks_the_proxy() -> None:
    with openai_server(lambda _: Said("你好")) as server:
        script = f"import httpx; httpx.get('{server.url}/models', timeout=5)"
        env = {"HTTP_PROXY": "http://127.0.0.1:9", "PATH": os.environ["PATH"]}
        done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=False)
        assert done.returncode != 0
        assert not server.requests


def test_fault_077_a_broken_export_is_refused_before_the_server_starts(trained: SmallWorld) -> None:
    export = trained.last().path / "export"
    for name, content in (
        ("config.json", b"{"),
        ("model.safetensors", WEIGHTS[:20]),
        ("tokenizer.json", b""),
    ):
        whole = (export / name).read_bytes()
        (export / name).write_bytes(content)
        code, said = serve(trained)
        assert code in {3, 5}, (name, said)
        assert name in said
        (export / name).write_bytes(whole)
    assert not (trained.last().path / "logs/serve.log").exists()
