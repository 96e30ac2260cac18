"""Verifying a server: what passed, what did not, and what was not run (faults 85)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from orchestrator.checks.base import Case
from orchestrator.execute.ask import ask_cases
from orchestrator.execute.client import Client
from orchestrator.execute.verification import verify_server
from tests.fakes.openai_server import FakeServer, Said, openai_server

EVERY = ("stops", "clean", "streamed")


def many(number: int) -> list[Case]:
    return [Case(f"checks[{i}]", (f"问{i}",), expect={"contains": f"问{i}"}) for i in range(number)]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(lambda messages: Said(f"答：{messages[-1]['content']}")) as fake:
        yield fake


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(server.url, "conch", timeout=5, temperature=0.0) as made:
        yield made


def test_verifying_judges_checks_and_paraphrases(client: Client) -> None:
    told: list[str] = []
    held_out = [Case("paraphrases[0]", ("您好",), expect={"contains": "不对"})]
    result = verify_server(client, many(2), held_out, EVERY, told.append)
    assert (result.exit_code, result.error, result.left) == (0, None, ())
    assert [verdict.passed for verdict in result.paraphrases] == [False]
    assert told == ["asked 1/3", "asked 2/3", "asked 3/3"]
    data = json.loads(json.dumps(result.to_json()))
    assert (data["passed"], data["paraphrases_passed"], data["not_run"]) == ([2, 2], [0, 1], [])


def test_verifying_a_wrong_model_is_a_no(client: Client, server: FakeServer) -> None:
    server.answer = lambda _: Said("我是助手")
    assert verify_server(client, many(1), (), EVERY, lambda _: None).exit_code == 5


def test_verifying_a_base_that_only_thinks_is_a_no_and_shows_it(client: Client, server: FakeServer) -> None:
    server.answer = lambda _: Said(None, reasoning="我是 DeepSeek", finish_reason="length")
    result = verify_server(client, many(1), (), EVERY, lambda _: None)
    assert result.exit_code == 5
    assert result.verdicts[0].answer == "[thinking] 我是 DeepSeek"
    assert {verdict.check: verdict.passed for verdict in result.verdicts} == {
        "contains": False,
        "stops": False,
        "clean": True,
        "streamed": True,
    }


def test_verifying_a_dying_server_tells_the_finished_from_the_rest(
    server: FakeServer, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_cases, "__kwdefaults__", {"at_a_time": 1})
    server.fault, server.fault_after = "die", 2
    result = verify_server(client, many(4), many(1), (), lambda _: None)
    assert result.exit_code == 4
    assert [verdict.case for verdict in result.verdicts] == ["checks[0]", "checks[1]"]
    assert [case.id for case in result.left] == ["checks[2]", "checks[3]"]
