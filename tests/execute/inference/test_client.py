"""The client: what it sends and understands, and a sentence of its own for every failure (faults 86, 87)."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from orchestrator.errors import ConchError, MissingError, StageFailed, TimedOut, UsageError
from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.request_errors import RequestError
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


def test_a_closed_port_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
    with Client(url, "conch", timeout=2) as client:
        assert client.ask(ASKED).error == f"nothing listens at {url}"
        with pytest.raises(MissingError, match="nothing listens") as raised:
            client.reach("conch serve magic_conch")
    assert raised.value.problems[0].hint == "conch serve magic_conch"


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


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8000", "ftp://a/v1", "http://", "http://a:x/v1", "http://[/v1"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="not a server's address"):
        Client(url, "conch")


REACH: dict[str, tuple[type[ConchError], str]] = {
    "401": (MissingError, "requires a key"),
    "404": (UsageError, "does not know this model or address"),
    "500": (StageFailed, "an internal error"),
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
    assert raised.value.problems[0].hint == "--model conch"
    assert server.requests == []


def test_a_server_without_a_list_of_models_will_do(server: FakeServer) -> None:
    server.lists_models = False
    with client_of(server) as client:
        client.reach()
        assert client.ask(ASKED).content == SAID.content


def test_a_key_opens_a_server_that_wants_one(server: FakeServer) -> None:
    server.key = "ours"
    with client_of(server) as client, pytest.raises(MissingError, match="requires a key") as raised:
        client.reach()
    assert "CONCH_API_KEY" in raised.value.problems[0].hint
    with client_of(server, key="ours") as client:
        client.reach()


def test_still_there_tells_the_servers_end_from_an_answers(server: FakeServer) -> None:
    with client_of(server, timeout=1) as client:
        server.fault, server.fault_times = "500", 2
        client.still_there()
        server.fault_times = 0
        with pytest.raises(StageFailed, match="an internal error"):
            client.still_there()
        server.fault = "401"
        with pytest.raises(MissingError, match="requires a key"):
            client.still_there()
        server.fault = "hang"
        with pytest.raises(TimedOut, match="gave no token"):
            client.still_there(timeout=0.3)
        server.stop()
        with pytest.raises(StageFailed, match="the server died"):
            client.still_there()


def test_a_server_that_says_when_is_asked_again_then(server: FakeServer) -> None:
    server.fault, server.fault_times, server.retry_after = "429", 1, "0.2"
    with client_of(server) as client:
        turn = client.ask(ASKED)
        assert (turn.content, turn.error) == (SAID.content, "")
        assert turn.seconds < 0.2
        server.fault_after = len(server.requests) + 1
        turn = client.ask(ASKED, streamed=True)
    assert (turn.streamed_content, turn.error) == (SAID.content, "")


def test_a_server_that_wants_a_long_wait_is_not_waited_for(server: FakeServer) -> None:
    server.fault, server.retry_after = "429", "3600"
    with client_of(server) as client:
        told = client.ask(ASKED).error
    assert told.startswith("the server has too many requests (HTTP 429), and asks you to wait 3600 s")
    assert len(server.requests) == 1


def test_closing_a_stream_ends_the_request(server: FakeServer) -> None:
    with client_of(server) as client:
        pieces = client.stream(ASKED)
        next(pieces)
        pieces.close()  # type: ignore[attr-defined]  # it is a generator
        server.fault = "wrong-model"
        with pytest.raises(RequestError, match="another"):
            list(client.stream(ASKED))


TOOLS = ({"type": "function", "function": {"name": "get_weather"}},)


def test_tools_are_sent_and_calls_come_whole_and_in_pieces(server: FakeServer) -> None:
    calls = (("get_weather", '{"city": "北京"}'), ("get_time", "{}"))
    server.answer = lambda _: Said(None, finish_reason="tool_calls", calls=calls)
    with client_of(server) as client:
        turn = client.ask(ASKED, streamed=True, tools=TOOLS)
    assert [request["tools"] for request in server.requests] == [list(TOOLS)] * 2
    assert turn.tool_calls == tuple({"name": name, "arguments": text} for name, text in calls)
    assert turn.streamed_tool_calls == turn.tool_calls
    assert (turn.content, turn.finish_reason, turn.error) == ("", "tool_calls", "")


def test_a_server_that_refuses_tools_is_told_what_to_set(server: FakeServer) -> None:
    server.fault = "refuse-tools"
    with client_of(server) as client:
        told = client.ask(ASKED, tools=TOOLS).error
        assert client.ask(ASKED).error == ""
        server.fault = "400"
        assert client.ask(ASKED, tools=TOOLS).error.endswith("told to say 400 to")
    assert "tool choice requires --enable-auto-tool-choice" in told
    assert told.endswith(
        "add enable-auto-tool-choice: true and tool-call-parser: NAME to the recipe's vllm passage"
    )
