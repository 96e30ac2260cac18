"""Verifying a server: what passed, what did not, and what was not run (faults 85)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from orchestrator.checks.base import Case
from orchestrator.checks.repeats import RepeatsCheck
from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.verification import verify_server
from tests.fakes.openai_server import FakeServer, Said, openai_server

EVERY = ("stops", "no_control_tokens", "streamed")


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
        "no_control_tokens": True,
        "streamed": True,
    }


def test_verifying_a_dying_server_tells_the_finished_from_the_rest(
    server: FakeServer, client: Client
) -> None:
    server.fault, server.fault_after = "die", 2
    result = verify_server(client, many(4), many(1), (), lambda _: None, concurrency=1)
    assert result.exit_code == 4
    assert [verdict.case for verdict in result.verdicts] == ["checks[0]", "checks[1]"]
    assert [case.id for case in result.left] == ["checks[2]", "checks[3]"]


def test_repeats_are_folded_into_one_verdict_with_its_interval(client: Client, server: FakeServer) -> None:
    seen: list[str] = []

    def every_third_is_wrong(messages: list[dict[str, str]]) -> Said:
        seen.append(messages[-1]["content"])
        return Said("不知道" if len(seen) % 3 == 0 else f"答：{seen[-1]}")

    server.answer = every_third_is_wrong
    told: list[str] = []
    ten = RepeatsCheck(10, 0.6, seeded=True)
    result = verify_server(client, many(1), (), (), told.append, repeats=ten, concurrency=1)
    assert told[-1] == "asked 10/10"
    [verdict] = result.verdicts
    assert (verdict.case, verdict.passed) == ("checks[0]", True)
    assert verdict.reason == "7 of 10 passed (95 % interval 0.40–0.89; at least 0.6 required)"
    assert [request["seed"] for request in server.requests] == list(range(1, 11))
    assert result.to_json()["passed"] == (1, 1)


def test_a_case_that_was_not_asked_to_the_end_is_not_run(client: Client, server: FakeServer) -> None:
    server.fault, server.fault_after = "die", 5
    result = verify_server(client, many(3), (), (), lambda _: None, repeats=RepeatsCheck(3), concurrency=1)
    assert [verdict.case for verdict in result.verdicts] == ["checks[0]"]
    assert [case.id for case in result.left] == ["checks[1]", "checks[2]"]
    assert result.to_json()["not_run"] == ["checks[1]", "checks[2]"]
    assert all("seed" not in request for request in server.requests)
