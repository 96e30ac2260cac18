"""The client: what it sends and understands, and a sentence of its own for every failure (faults 86, 87)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.errors import ConchError, MissingError, StageFailed, TimedOut, UsageError
from orchestrator.execute.client import Client
from orchestrator.execute.key import read_key
from orchestrator.execute.trouble import Trouble
from orchestrator.execute.wire import is_loopback
from tests.fakes.openai_server import FakeServer, Said, openai_server

ASKED = ({"role": "user", "content": "请问你是谁"},)
SAID = Said("\n\n我是神奇海螺。", reasoning="想一想", token_ids=(7, 8, 9))


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(lambda _: SAID) as fake:
        yield fake


def client_of(server: FakeServer, timeout: float = 5.0, key: str = "", model: str = "conch") -> Client:
    return Client(server.url, model, key=key, max_tokens=64, temperature=0.0, timeout=timeout)


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_an_answer_comes_whole_and_in_pieces(server: FakeServer, field: str) -> None:
    server.reasoning_field = field
    with client_of(server) as client:
        turn = client.ask(ASKED, streamed=True)
    assert (turn.content, turn.reasoning, turn.finish_reason) == ("\n\n我是神奇海螺。", "想一想", "stop")
    assert turn.token_ids == (7, 8, 9)
    assert (turn.streamed, turn.error) == (True, "")
    assert (turn.streamed_content, turn.streamed_reasoning) == (turn.content, turn.reasoning)
    assert turn.streamed_token_ids == turn.token_ids
    assert turn.seconds > 0
    assert turn.messages == ASKED
    assert server.requests[0]["max_tokens"] == 64
    assert server.requests[0]["temperature"] == 0.0


def test_one_question_is_one_request(server: FakeServer) -> None:
    server.fault = "500"
    with client_of(server) as client:
        client.ask(ASKED)
    assert len(server.requests) == 1


def test_an_answer_of_thinking_alone_is_an_empty_answer(server: FakeServer) -> None:
    server.answer = lambda _: Said(None, reasoning="嗯")
    with client_of(server) as client:
        turn = client.ask(ASKED, streamed=True)
    assert (turn.content, turn.reasoning, turn.error) == ("", "嗯", "")
    assert (turn.streamed_content, turn.streamed_reasoning) == ("", "嗯")


WHOLE = {
    "400": "the server refuses the request (HTTP 400): told to say 400",
    "401": "the server wants a key, or another one (HTTP 401)",
    "404": "the server knows no such model or address (HTTP 404): told to say 404",
    "429": "the server has too many requests (HTTP 429): told to say 429",
    "500": "the server failed inside (HTTP 500): told to say 500",
    "503": "the server is not ready or overloaded (HTTP 503): told to say 503",
    "redirect": "the server refuses (HTTP 307)",
    "empty-choices": "the answer holds no choices",
    "wrong-model": 'another model answered: "another" instead of "conch"',
    "invalid-json": "the answer is not valid JSON",
    "html": "the answer is not JSON: '<html>hello</html>'",
    "hang": "no whole answer within 0.6 s",
    "drip": "no whole answer within 0.6 s",
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
    "hang": "no whole answer within 0.6 s",
    "429": "the server has too many requests (HTTP 429)",
}


@pytest.mark.parametrize(("fault", "told"), STREAMED.items())
def test_every_failure_of_a_stream_has_its_own_sentence(server: FakeServer, fault: str, told: str) -> None:
    with client_of(server, timeout=0.6) as client:
        client.ask(ASKED)
        server.fault, server.fault_after = fault, 2
        turn = client.ask(ASKED, streamed=True)
    assert turn.error.startswith(f"with stream=true: {told}")


def test_a_closed_port_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with Client(url, "conch", timeout=2) as client:
        assert client.ask(ASKED).error == f"nothing listens at {url}"
        with pytest.raises(MissingError, match="nothing listens") as raised:
            client.reach("conch serve magic_conch")
    assert raised.value.problems[0].mend == "conch serve magic_conch"


def test_token_ids_are_dropped_for_a_server_that_refuses_the_word(server: FakeServer) -> None:
    server.fault = "refuse-ids"
    with client_of(server) as client:
        first, second = client.ask(ASKED, streamed=True), client.ask(ASKED)
    assert (first.content, first.token_ids, first.error) == (SAID.content, (), "")
    assert (second.content, second.error) == (SAID.content, "")
    assert ["return_token_ids" in request for request in server.requests] == [True, False, False, False]


def test_another_refusal_does_not_cost_the_token_ids(server: FakeServer) -> None:
    with client_of(server) as client:
        server.fault = "400"
        assert client.ask(ASKED).error
        server.fault = ""
        assert client.ask(ASKED).token_ids == (7, 8, 9)


def test_a_second_name_of_the_same_model_is_not_another_model(server: FakeServer) -> None:
    server.models, server.answers_as = ["nonce-1", "conch"], "nonce-1"
    with client_of(server) as client:
        assert client.ask(ASKED).error == ""
    server.answers_as = "conch-2026-11-01"
    with client_of(server) as client:
        assert client.ask(ASKED).error == ""


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


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://a/v1", "http://", "http://a:x/v1", "http://[/v1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not a server's address"):
        Client(url, "conch")


REACH: dict[str, tuple[type[ConchError], str]] = {
    "401": (MissingError, "wants a key"),
    "404": (UsageError, "no such model or address"),
    "500": (StageFailed, "failed inside"),
    "invalid-json": (StageFailed, "not valid JSON"),
    "hang": (TimedOut, "is up, but its engine gave no token within 0.5 s"),
}


@pytest.mark.parametrize(("fault", "expected"), REACH.items())
def test_reaching_a_server_says_what_is_wrong_with_it(
    server: FakeServer, fault: str, expected: tuple[type[ConchError], str]
) -> None:
    kind, told = expected
    server.fault = fault
    with client_of(server) as client, pytest.raises(kind, match=told):
        client.reach(timeout=0.5)


def test_reaching_asks_for_one_token(server: FakeServer) -> None:
    with client_of(server) as client:
        client.reach()
    assert [request["max_tokens"] for request in server.requests] == [1]


def test_a_model_that_is_not_served_is_named_with_those_that_are(server: FakeServer) -> None:
    with (
        client_of(server, model="shell") as client,
        pytest.raises(UsageError, match="served: conch") as raised,
    ):
        client.reach()
    assert raised.value.problems[0].mend == "--model conch"
    assert server.requests == []


def test_a_server_without_a_list_of_models_will_do(server: FakeServer) -> None:
    server.lists_models = False
    with client_of(server) as client:
        client.reach()
        assert client.ask(ASKED).content == SAID.content


def test_a_key_opens_a_server_that_wants_one(server: FakeServer) -> None:
    server.key = "ours"
    with client_of(server) as client, pytest.raises(MissingError, match="wants a key") as raised:
        client.reach()
    assert "CONCH_API_KEY" in raised.value.problems[0].mend
    with client_of(server, key="ours") as client:
        client.reach()


def test_still_there_tells_the_servers_end_from_an_answers(server: FakeServer) -> None:
    with client_of(server, timeout=1) as client:
        server.fault = "500"
        client.still_there()
        server.fault = "hang"
        with pytest.raises(TimedOut, match="gave no token"):
            client.still_there(timeout=0.3)
        server.stop()
        with pytest.raises(StageFailed, match="the server died"):
            client.still_there()


def test_closing_a_stream_ends_the_request(server: FakeServer) -> None:
    with client_of(server) as client:
        pieces = client.stream(ASKED)
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]  # it is a generator
        server.fault = "wrong-model"
        with pytest.raises(Trouble, match="another"):
            list(client.stream(ASKED))


def test_a_key_comes_from_the_file_or_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1\n", encoding="utf-8")
    file.chmod(0o600)
    assert read_key(file, {"CONCH_API_KEY": "sk-2"}) == "sk-1"
    assert read_key(None, {"CONCH_API_KEY": "sk-2", "OPENAI_API_KEY": "sk-3"}) == "sk-2"
    assert read_key(None, {"OPENAI_API_KEY": "sk-3"}) == ""


def test_a_key_that_others_may_read_is_refused_93(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1", encoding="utf-8")
    file.chmod(0o644)
    with pytest.raises(MissingError) as raised:
        read_key(file)
    assert raised.value.problems[0].mend == f"chmod 600 {file}"
    with pytest.raises(MissingError, match="no key file"):
        read_key(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "two words", "钥匙", "a\nb"])
def test_what_is_no_key_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    with pytest.raises(UsageError) as raised:
        read_key(file)
    assert not text or text not in str(raised.value)
