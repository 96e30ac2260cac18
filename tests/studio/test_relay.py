"""Answers are passed on as they come, and the model's server is free again however a request ends."""
# Covers studio/relay.py studio/routes/completions.py

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from orchestrator.studio.model_servers import ModelServers
from orchestrator.studio.relay import read_answer
from orchestrator.studio.store import now
from tests.fakes.openai_server import FakeServer, Said, openai_server
from tests.small_world import SmallWorld
from tests.studio.world import RunningStudio, refused, running, wait_until

MODEL = "ft:base::aaaabbbb"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def engine() -> Iterator[FakeServer]:
    with openai_server(lambda _: Said("one two three")) as server:
        server.models = [MODEL]
        yield server


@pytest.fixture
def studio(small: SmallWorld, engine: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningStudio]:
    """A studio with one model, whose server is the fake."""
    monkeypatch.setattr(ModelServers, "_start", lambda *_: engine.url)
    monkeypatch.setattr(ModelServers, "_stop", lambda *_: None)
    with running(small.project) as made:
        engine.key = made.parts.servers.key
        job = {
            "id": "ftjob-aaaabbbb",
            "owner": "",
            "created_at": now(),
            "state": "succeeded",
            "served": MODEL,
        }
        made.store.put("jobs", {**job, "finished_at": now()})
        yield made


def is_free(studio: RunningStudio) -> bool:
    return not any(studio.parts.servers.loaded.values())


def test_streamed_and_whole_answers_are_the_engines(studio: RunningStudio, engine: FakeServer) -> None:
    whole = studio.ask("POST", "/v1/chat/completions", json=QUESTION)
    assert (whole.status_code, whole.json()["choices"][0]["message"]["content"]) == (200, "one two three")
    asked = {**QUESTION, "stream": True, "temperature": 0.3, "unknown": 1}
    streamed = studio.ask("POST", "/v1/chat/completions", json=asked)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert read_answer(streamed.content)[1] == "one two three"
    assert engine.requests[-1] == asked, "passed on as it is"
    wait_until(lambda: is_free(studio))  # a moment after the last byte


def test_the_engines_refusal_is_passed_on(studio: RunningStudio, engine: FakeServer) -> None:
    engine.fault = "429"
    engine.retry_after = "7"
    answer = studio.ask("POST", "/v1/chat/completions", json=QUESTION)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    wait_until(lambda: is_free(studio))


@pytest.mark.parametrize("fault", ["cut", "cut-stream"])
def test_an_answer_that_breaks_off_is_no_whole_answer(
    studio: RunningStudio, engine: FakeServer, fault: str
) -> None:
    engine.fault = fault
    with pytest.raises(httpx.TransportError):
        studio.ask("POST", "/v1/chat/completions", json={**QUESTION, "stream": fault == "cut-stream"})
    wait_until(lambda: is_free(studio))


def test_a_client_that_goes_away_frees_the_model(studio: RunningStudio, engine: FakeServer) -> None:
    engine.fault = "drip"
    with httpx.Client(base_url=studio.url, timeout=60, trust_env=False) as client:
        request = client.build_request("POST", "/v1/chat/completions", json=QUESTION)
        with closing(client.send(request, stream=True)) as answer:
            next(answer.iter_raw())
            assert not is_free(studio)
    wait_until(lambda: is_free(studio))


def test_an_engine_that_is_gone_is_told_and_started_again(studio: RunningStudio, engine: FakeServer) -> None:
    with studio.client() as client:
        studio.parts.servers.forget("ftjob-aaaabbbb")
        working, engine.url = engine.url, "http://127.0.0.1:9/v1"
        with refused(503, "model_unavailable"):
            client.post("/chat/completions", body=QUESTION, cast_to=object)
        small = studio.ask("POST", "/generate", json={"prompt": "在吗"})
        assert (small.status_code, small.json()["error"]["code"]) == (503, "model_unavailable")
        engine.url = working
        assert studio.ask("POST", "/v1/chat/completions", json=QUESTION).status_code == 200
