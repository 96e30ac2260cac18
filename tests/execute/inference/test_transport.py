"""The wire: our headers alone, no proxy on loopback (faults 87), a deadline for the whole answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.transport import is_loopback
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
