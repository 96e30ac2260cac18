"""Asking: order, history, streaming, what is kept when the server dies (faults 83, 85)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.checks import judge_all
from orchestrator.checks.base import WITH_HISTORY, WITHOUT_HISTORY, Case
from orchestrator.errors import MissingError, StageFailed, TimedOut
from orchestrator.execute.inference import ask as asking
from orchestrator.execute.inference.ask import ask, ask_cases, settle
from orchestrator.execute.inference.client import Client
from orchestrator.execute.inference.transcripts import read_answers
from orchestrator.execute.runner.task import typed
from orchestrator.results import Transcript, Turn
from tests.fakes.openai_server import FakeServer, Said, openai_server

EVERY = ("stops", "no_control_tokens", "streamed")
FOLLOW_UP = Case("checks[0]", ("汉堡店在哪？", "它几点开门？"), expect={"remembers": "九点"})


def conch(messages: list[dict[str, str]]) -> Said:
    """A model that remembers: it answers the follow-up only when it was told of the shop."""
    last = messages[-1]["content"]
    if last == "它几点开门？":
        return Said("\n\n九点。" if len(messages) > 1 else "\n\n谁？", token_ids=(1, 2))
    return Said(f"\n\n答：{last}", reasoning="嗯", token_ids=(3,))


def many(number: int) -> list[Case]:
    return [Case(f"checks[{i}]", (f"问{i}",), expect={"contains": f"问{i}"}) for i in range(number)]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with openai_server(conch) as fake:
        yield fake


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(server.url, "conch", timeout=5, temperature=0.0) as made:
        yield made


@pytest.fixture
def settings(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("CONCH_SERVICE_URL", server.url)
    monkeypatch.setenv("CONCH_SERVICE_MODEL", "conch")
    cases = [
        {"id": "checks[0]", "ask": list(FOLLOW_UP.ask), "expect": {"remembers": "九点"}},
        {"id": "checks[1]", "ask": ["你好"], "system": "简短", "expect": {"contains": "你好"}},
    ]
    held_out = [{"id": "paraphrases[0]", "ask": ["您好"], "expect": {"contains": "您好"}}]
    more = {"every": list(EVERY), "max_tokens": 32, "temperature": 0.0, "out": "answers.jsonl.partial-0"}
    return {"cases": cases, "paraphrases": held_out, **more}


def test_history_is_what_the_server_itself_said(client: Client, server: FakeServer) -> None:
    [[whole, alone]] = ask_cases(client, [FOLLOW_UP], EVERY)
    assert (whole.purpose, alone.purpose) == (WITH_HISTORY, WITHOUT_HISTORY)
    assert [message["content"] for message in whole.turns[1].messages] == [
        "汉堡店在哪？",
        "\n\n答：汉堡店在哪？",
        "它几点开门？",
    ]
    assert [message["role"] for message in whole.turns[1].messages] == ["user", "assistant", "user"]
    assert [message["content"] for message in alone.turns[0].messages] == ["它几点开门？"]
    assert (whole.turns[1].streamed, alone.turns[0].streamed) == (True, False)
    assert [bool(request.get("stream")) for request in server.requests] == [False, True, False, True, False]
    assert all(verdict.passed for verdict in judge_all([FOLLOW_UP], EVERY, [whole, alone]))


def test_several_are_asked_at_a_time_and_come_in_order(client: Client, server: FakeServer) -> None:
    server.slow = 0.05
    cases = many(9)
    answered = [transcripts[0].case for transcripts in ask_cases(client, cases, (), concurrency=3)]
    assert answered == [case.id for case in cases]
    assert server.most_at_once == 3


def test_the_task_leaves_a_line_for_every_conversation(
    settings: dict[str, Any], server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(typed(ask, settings), tmp_path) == 0
    transcripts = read_answers(tmp_path / "answers.jsonl.partial-0")
    assert [(each.case, each.purpose) for each in transcripts] == [
        ("checks[0]", WITH_HISTORY),
        ("checks[0]", WITHOUT_HISTORY),
        ("checks[1]", WITH_HISTORY),
        ("paraphrases[0]", WITH_HISTORY),
    ]
    assert transcripts[2].turns[0].messages[0] == {"role": "system", "content": "简短"}
    assert transcripts[2].turns[0].streamed
    assert not transcripts[3].turns[0].streamed
    assert server.requests[0]["max_tokens"] == 32
    assert capsys.readouterr().err == "asked 1/3\nasked 2/3\nasked 3/3\n"


def test_the_task_wants_a_service(settings: dict[str, Any], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("CONCH_SERVICE_URL")
    with pytest.raises(MissingError, match="CONCH_SERVICE_URL"):
        ask(typed(ask, settings), tmp_path)


def test_one_bad_answer_is_a_failed_check_and_no_more(client: Client, server: FakeServer) -> None:
    server.answer = lambda messages: Said("x<|im_end|>" if messages[-1]["content"] == "问1" else "问0 问2")
    transcripts = [
        each for answered in ask_cases(client, many(3), ("no_control_tokens",)) for each in answered
    ]
    verdicts = judge_all(many(3), ("no_control_tokens",), transcripts)
    assert [verdict.passed for verdict in verdicts] == [True, True, False, False, True, True]


def test_an_error_is_an_answer_while_the_server_lives(client: Client, server: FakeServer) -> None:
    server.fault, server.fault_times = "429", 1
    [[transcript], [other]] = ask_cases(client, many(2), (), concurrency=1)
    assert transcript.turns[-1].error.startswith("the server has too many requests (HTTP 429)")
    assert not other.turns[-1].error


def test_a_server_that_answers_nothing_right_any_more_ends_the_asking(
    client: Client, server: FakeServer
) -> None:
    server.fault, server.fault_after = "empty-choices", 1
    answered: list[str] = []
    with pytest.raises(StageFailed, match=r"at question 2 \(checks\[1\]\): the answer holds no choices"):
        answered.extend(one.case for each in ask_cases(client, many(9), (), concurrency=1) for one in each)
    assert answered == ["checks[0]"]


def test_a_conversation_ends_at_an_unanswered_turn(client: Client, server: FakeServer) -> None:
    server.fault, server.fault_times = "500", 1
    [[whole, _]] = ask_cases(client, [FOLLOW_UP], ())
    assert len(whole.turns) == 1


def test_a_server_that_dies_leaves_what_it_answered_85(client: Client, server: FakeServer) -> None:
    server.fault, server.fault_after = "die", 3
    answered: list[str] = []
    asked = ask_cases(client, many(9), (), concurrency=1)
    with pytest.raises(StageFailed, match=r"at question 4 \(checks\[3\]\): the server died") as raised:
        answered.extend(transcripts[0].case for transcripts in asked)
    assert answered == ["checks[0]", "checks[1]", "checks[2]"]
    assert raised.value.problems[0].hint


def test_a_later_answer_that_was_ready_is_kept_85(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Event()

    def first_dies(_: Client, case: Case, *__: object) -> list[Transcript]:
        if case.id == "checks[0]":
            ready.wait(10)
            time.sleep(0.1)
            raise StageFailed("the server died")
        ready.set()
        return [Transcript(case.id, WITH_HISTORY, ())]

    monkeypatch.setattr(asking, "_ask_case", first_dies)
    answered: list[str] = []
    asked = ask_cases(client, many(2), (), concurrency=2)
    with pytest.raises(StageFailed):
        answered.extend(transcripts[0].case for transcripts in asked)
    assert answered == ["checks[1]"]


def test_a_wedged_engine_is_a_time_out_83(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.fault, server.fault_after = "hang", 2
    monkeypatch.setattr(Client, "still_there", lambda self: Client.reach(self, timeout=0.2))
    with (
        Client(server.url, "conch", timeout=0.3) as client,
        pytest.raises(TimedOut, match="its engine gave no token"),
    ):
        list(ask_cases(client, many(4), (), concurrency=2))


def test_a_bug_while_asking_is_not_waited_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_converse", lambda *_: 1 / 0)
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    with pytest.raises(RuntimeError, match="work 0 failed"):
        list(ask_cases(client, many(1), ()))


def test_a_streamed_answer_that_differs_is_asked_again_alone(client: Client, server: FakeServer) -> None:
    cases = many(3)
    server.answer = lambda messages: Said(f"答：{messages[-1]['content']}")
    server.fault = "stream-differs"
    transcripts = [each for answered in ask_cases(client, cases, EVERY) for each in answered]
    server.fault = ""
    settled = settle(client, cases, EVERY, transcripts)
    assert all(verdict.passed for verdict in judge_all(cases, EVERY, settled))


def test_streaming_that_is_broken_stays_so_and_is_not_asked_for_ever(
    client: Client, server: FakeServer
) -> None:
    cases = many(6)
    server.answer = lambda messages: Said(f"答：{messages[-1]['content']}")
    server.fault = "stream-differs"
    transcripts = [each for answered in ask_cases(client, cases, EVERY) for each in answered]
    before = len(server.requests)
    settled = settle(client, cases, EVERY, transcripts)
    assert len(server.requests) == before + 2 * asking.HOPELESS
    failed = [verdict.case for verdict in judge_all(cases, EVERY, settled) if not verdict.passed]
    assert failed == [case.id for case in cases]


def test_another_text_of_the_same_tokens_is_not_asked_again(client: Client, server: FakeServer) -> None:
    server.answer = lambda _: Said("一", token_ids=(1,))
    server.fault = "stream-differs"
    [transcripts] = ask_cases(client, many(1), EVERY)
    before = len(server.requests)
    assert settle(client, many(1), EVERY, transcripts) == transcripts
    assert len(server.requests) == before


def test_the_settled_answers_are_those_in_the_file(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settled(*_: object) -> list[Transcript]:
        return [Transcript("checks[0]", WITH_HISTORY, ())]

    monkeypatch.setattr(asking, "settle", settled)
    ask(typed(ask, settings), tmp_path)
    assert read_answers(tmp_path / "answers.jsonl.partial-0") == settled()


def test_repeats_are_asked_in_turn_each_with_its_seed_where_answers_are_drawn(
    settings: dict[str, Any], server: FakeServer, tmp_path: Path
) -> None:
    wanted = {"cases": settings["cases"][1:], "paraphrases": [], "every": [], "repeats": 3, "concurrency": 1}
    assert ask(typed(ask, settings | wanted | {"temperature": 0.7}), tmp_path) == 0
    transcripts = read_answers(tmp_path / "answers.jsonl.partial-0")
    assert [each.case for each in transcripts] == ["checks[1]", "checks[1]~2", "checks[1]~3"]
    assert [request["seed"] for request in server.requests] == [1, 2, 3]
    assert server.most_at_once == 1
    ask(typed(ask, settings | wanted), tmp_path)
    assert all("seed" not in request for request in server.requests[3:])


def test_rows_of_the_data_are_asked(settings: dict[str, Any], server: FakeServer, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    messages = [{"role": "user", "content": "在吗"}, {"role": "assistant", "content": "在"}]
    line = json.dumps({"dataset": "x", "row": 1, "messages": messages}, ensure_ascii=False)
    (tmp_path / "data/conversations.jsonl").write_text(line + "\n", encoding="utf-8")
    case: dict[str, Any] = {
        "id": "checks[0]",
        "part": "test",
        "limit": None,
        "datasets": ["x"],
        "expect": {},
    }
    assert ask(typed(ask, settings | {"cases": [case], "paraphrases": [], "every": []}), tmp_path) == 0
    [transcript] = read_answers(tmp_path / "answers.jsonl.partial-0")
    assert (transcript.case, transcript.turns[0].messages[-1]["content"]) == ("checks[0].rows[0]", "在吗")


def test_a_call_is_answered_with_its_result_and_the_model_goes_on(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[list[dict[str, Any]]] = []

    def answered(_: Client, messages: list[dict[str, Any]], **given: Any) -> Turn:
        assert given["tools"]
        sent.append(list(messages))
        called = messages[-1]["role"] == "user"
        calls = ({"name": "get_weather", "arguments": "{}"},) * 2 if called else ()
        return Turn((), "" if called else f"它说{messages[-1]['content']}", tool_calls=calls)

    monkeypatch.setattr(Client, "ask", answered)
    weather = {"type": "function", "function": {"name": "get_weather"}}
    expect = {"tool_call": {"name": "get_weather"}, "contains": "雨"}
    case = Case("checks[0]", ("天气？",), expect=expect, tools=(weather,), results=("晴", "雨"))
    [[transcript]] = ask_cases(client, [case], ())
    assert [one["role"] for one in sent[1]] == ["user", "assistant", "tool", "tool"]
    assert [one.get("tool_call_id") for one in sent[1][2:]] == ["call_0", "call_1"]
    assert [one["content"] for one in sent[1][2:]] == ["晴", "雨"]
    assert len(transcript.turns) == 2
    assert all(verdict.passed for verdict in judge_all([case], (), [transcript]))
