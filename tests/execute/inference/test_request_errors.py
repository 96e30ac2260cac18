"""Every failure between a question and its answer has a sentence of its own (faults 86)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.request_errors import ErrorKind, RequestError, seconds_of, with_retries
from tests.fakes.openai_server import FakeServer, Said, openai_server

ASKED = ({"role": "user", "content": "请问你是谁"},)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(lambda _: Said("我是神奇海螺。", reasoning="想一想")) as fake:
        yield fake


def client_of(server: FakeServer, timeout: float = 5.0, key: str = "") -> Client:
    return Client(server.url, "conch", key=key, timeout=timeout)


WHOLE = {
    "400": "the server refuses the request (HTTP 400): told to say 400",
    "401": "the server requires a key, or a different one (HTTP 401)",
    "404": "the server does not know this model or address (HTTP 404): told to say 404",
    "429": "the server has too many requests (HTTP 429): told to say 429",
    "500": "the server had an internal error (HTTP 500): told to say 500",
    "503": "the server is not ready or overloaded (HTTP 503): told to say 503",
    "redirect": "the server refuses (HTTP 307)",
    "empty-choices": "the answer holds no choices",
    "wrong-model": 'another model answered: "another" instead of "conch"',
    "invalid-json": "the answer is not valid JSON",
    "html": "the answer is not JSON: '<html>hello</html>'",
    "hang": "no complete answer within 0.6 s",
    "drip": "no complete answer within 0.6 s",
    "cut": "the server closed the connection in the middle of the answer",
    "die": "the server closed the connection in the middle of the answer",
}


@pytest.mark.parametrize(("fault", "told"), WHOLE.items())
def test_every_failure_has_its_own_sentence(server: FakeServer, fault: str, told: str) -> None:
    server.fault = fault
    with client_of(server, timeout=0.6, key="sk-CANARY") as client:
        turn = client.ask(ASKED, streamed=True)
    assert turn.error.startswith(told)
    assert "sk-CANARY" not in turn.error
    assert (turn.content, turn.finish_reason, turn.streamed) == ("", "", False)


STREAMED = {
    "no-done": "the stream broke off: it ended without [DONE]",
    "cut-stream": "the server closed the connection in the middle of the answer",
    "error-event": "the server reported an error: the engine died",
    "no-stream": "the stream broke off",
    "hang": "no complete answer within 0.6 s",
    "429": "the server has too many requests (HTTP 429)",
}


@pytest.mark.parametrize(("fault", "told"), STREAMED.items())
def test_every_failure_of_a_stream_has_its_own_sentence(server: FakeServer, fault: str, told: str) -> None:
    with client_of(server, timeout=0.6) as client:
        client.ask(ASKED)
        server.fault, server.fault_after = fault, 2
        turn = client.ask(ASKED, streamed=True)
    assert turn.error.startswith(f"with stream=true: {told}")


def test_an_unknown_status_is_told_with_its_number(server: FakeServer) -> None:
    with client_of(server) as client:
        server.fault = "418"
        assert client.ask(ASKED).error.startswith("the server refuses (HTTP 418)")
        server.fault = "599"
        assert client.ask(ASKED).error.startswith("the server failed (HTTP 599)")


def test_a_wait_is_a_number_or_a_date() -> None:
    now = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert seconds_of("Thu, 01 Jan 2026 12:00:09 GMT", now) == 9
    assert seconds_of("Thu, 01 Jan 2026 11:00:00 GMT", now) == 0
    assert seconds_of(" 1.5 ") == 1.5
    assert all(seconds_of(text) is None for text in ("-1", "nan", "inf", "1e3", "soon", "", "٣"))


class Busy:
    """Says so the first few times."""

    def __init__(self, times: int, wait: float | None) -> None:
        self.times, self.wait, self.asked = times, wait, 0

    def __call__(self) -> str:
        self.asked += 1
        if self.asked <= self.times:
            raise RequestError(ErrorKind.ANSWER, "busy", self.wait)
        return "好"


def test_it_waits_as_long_as_it_is_told_to() -> None:
    busy = Busy(2, 0.05)
    began = time.monotonic()
    assert with_retries(busy) == "好"
    assert 0.1 <= time.monotonic() - began < 2
    assert busy.asked == 3


@pytest.mark.parametrize(("wait", "asked"), [(None, 1), (61.0, 1), (0.0, 4)])
def test_it_gives_up(wait: float | None, asked: int) -> None:
    busy = Busy(99, wait)
    with pytest.raises(RequestError, match="busy"):
        with_retries(busy)
    assert busy.asked == asked
