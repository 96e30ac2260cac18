"""The wire: our headers alone, no proxy on loopback (faults 87), a deadline and a size for every answer."""

from __future__ import annotations

import re
import socket
import time
import tracemalloc
from collections.abc import Iterator

import httpcore
import httpx
import pytest
from httpcore import SyncBackend

from orchestrator.errors import ConchError, StageFailed, TimedOut
from orchestrator.execute.inference import token_server
from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.transport import is_loopback
from orchestrator.execute.servers.engines import base
from orchestrator.execute.servers.health import Canary, state_client
from orchestrator.outside import Outside, visible
from tests.fakes.hostile_answers import ESCAPES, MODES
from tests.fakes.openai_server import FakeServer, Said, openai_server

ASKED = ({"role": "user", "content": "请问你是谁"},)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(lambda _: Said("我是神奇海螺。", reasoning="想一想")) as fake:
        yield fake


def client_of(server: FakeServer, timeout: float = 5.0, key: str = "") -> Client:
    return Client(server.url, "conch", key=key, timeout=timeout)


def test_nothing_of_the_users_openai_settings_is_sent(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-CANARY")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-CANARY")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-CANARY")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-CANARY")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: CANARY\nAuthorization: Bearer sk-CANARY")
    with client_of(server) as client:
        client.reach()
        assert client.ask(ASKED, streamed=True).error == ""
    with client_of(server, key="ours") as client:
        client.ask(ASKED)
    assert "CANARY" not in str(server.headers)
    assert [headers.get("Authorization") for headers in server.headers] == [None] * 4 + ["Bearer ours"]


def test_loopback_never_goes_through_a_proxy(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with client_of(server) as client:
        assert client.ask(ASKED).error == ""


@pytest.mark.parametrize(
    ("url", "own"),
    [("http://localhost:1/v1", True), ("http://127.8.0.1/v1", True), ("https://localhost.example/v1", False)],
)
def test_loopback_is_known(url: str, own: bool) -> None:  # noqa: FBT001
    assert is_loopback(url) is own


def test_every_request_has_a_connection_of_its_own(server: FakeServer) -> None:
    with client_of(server) as client:
        client.ask(ASKED)
        client.ask(ASKED)
    assert len(set(server.addresses)) == 2


LATE = ["drip-status", "drip-headers", "continue-drip", "drip-chunks", "models-drip"]


@pytest.mark.parametrize("mode", [*LATE, "stream-of-comments"])
def test_fault_138_the_deadline_holds_for_every_byte(server: FakeServer, mode: str) -> None:
    server.fault, began = mode, time.monotonic()
    with client_of(server, timeout=0.4) as client:
        if mode == "stream-of-comments":
            told = client.ask(ASKED, streamed=True).error
        else:
            with pytest.raises(TimedOut) as caught:
                client.reach()
            told = str(caught.value)
    assert time.monotonic() - began < 3
    assert "within 0.4 s; " in told
    assert "bytes had come" in told


def test_fault_138_a_name_with_many_addresses_shares_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing answers at TEST-NET; each address alone would take the whole time to connect."""
    many = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 80)) for number in range(9)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: many)
    monkeypatch.setattr(SyncBackend, "connect_tcp", lambda *given: slow(given[3]))
    began = time.monotonic()
    with Client("http://many.example/v1", "conch", timeout=0.4) as client:
        assert client.ask(ASKED).error == "http://many.example/v1 accepts no connection"
    assert 0.3 < time.monotonic() - began < 2


def slow(timeout: float) -> None:
    time.sleep(min(timeout, 0.15))
    raise httpcore.ConnectTimeout


@pytest.mark.parametrize("mode", ["endless-body", "models-endless", "stream-without-lines", "huge-length"])
def test_fault_139_an_answer_ends_at_its_limit(server: FakeServer, mode: str) -> None:
    server.fault = mode
    with client_of(server) as client:
        if mode.startswith("stream"):
            assert "the answer is larger than 16 MiB" in client.ask(ASKED, streamed=True).error
        else:
            with pytest.raises(StageFailed, match="the answer is larger than 16 MiB"):
                client.reach()


@pytest.mark.parametrize("mode", ["gzip", "gzip-bomb", "deflate", "zstd", "models-gzip"])
def test_fault_139_nothing_is_unpacked(server: FakeServer, mode: str) -> None:
    server.fault = mode
    tracemalloc.start()
    with client_of(server) as client, pytest.raises(StageFailed, match="which was not requested"):
        client.reach()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20_000_000
    assert all("accept-encoding" not in {name.lower() for name in sent} for sent in server.headers)


SHAPES = [mode for mode in MODES if mode.startswith(("content-", "choice", "deep-", "message-", "many-"))]
READ = {"content-with-escapes", "content-half-character"}


@pytest.mark.parametrize("mode", sorted({*SHAPES} - READ))
def test_fault_140_an_odd_shape_is_a_sentence(server: FakeServer, mode: str) -> None:
    server.fault = mode
    with client_of(server) as client:
        assert re.search("unknown shape|nested too deeply|more than 1,000,000 parts", client.ask(ASKED).error)


def test_fault_140_text_that_can_be_read_is_read_as_it_is(server: FakeServer) -> None:
    """Checks and clients get the characters themselves; only what is shown is escaped."""
    with client_of(server) as client:
        server.fault = "content-with-escapes"
        assert client.ask(ASKED, streamed=True).streamed_content == f"我是{ESCAPES}"
        server.fault = "content-half-character"
        assert client.ask(ASKED, streamed=True).content == "我是\ufffd"


def test_fault_141_every_client_ends_with_a_sentence(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The requests that start, watch and prove a server have the same wire."""
    monkeypatch.setattr(token_server, "TIMEOUT", 0.3)
    key = "sk-of-this-test-alone"
    for mode in MODES:
        server.fault, began = mode, time.monotonic()
        canary = Canary(server.url, "conch", key, timeout=0.3)
        with token_server.TokenServer(server.url, "conch", key) as one:
            try:
                one.prompt(ASKED, None)
                said = ""
            except (ConchError, ValueError) as error:
                said = str(error)
        assert canary.finished(5), mode
        assert said or mode.startswith(("stream-", "models-")), mode
        assert canary.problem, mode
        for told in (said, canary.problem):
            assert key not in told, mode
            assert told.count("\n") <= 1, mode
            assert visible(told) == told, mode
        assert time.monotonic() - began < 5, mode


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.startswith("models-")])
def test_fault_141_the_state_of_a_server_is_read_through_it(server: FakeServer, mode: str) -> None:
    server.fault = mode
    root = server.url.removesuffix("/v1")
    with state_client(root, None, httpx.Timeout(0.3)) as client:
        base.is_up(client)
        names = base.models(client)
    assert names is None or all(isinstance(name, Outside) for name in names)


def test_a_proxy_of_the_users_is_asked_for_other_machines(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with Client("http://far.example/v1", "conch", timeout=5) as client:
        assert client.ask(ASKED).error == ""
        monkeypatch.setenv("no_proxy", "far.example")
    with Client("http://far.example/v1", "conch", timeout=5) as client:
        assert "no host has the name" in client.ask(ASKED).error
    assert len(server.requests) == 1
