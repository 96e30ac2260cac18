"""One name's files, jobs, models and feedback do not exist for another: tried on every route."""
# Covers studio/routes/

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from orchestrator.studio.keys import Limits, add_key
from orchestrator.studio.store import now
from orchestrator.studio.uploads import add_results
from tests.studio.conftest import parts_of

FILE, JOB, MODEL, FEEDBACK = "file-aaaa", "ftjob-aaaabbbbcccc", "ft:base:hers:bbbbcccc", "fb-aaaa"
Asked = Callable[[TestClient, dict[str, str]], Any]


def asks(method: str, path: str, **given: Any) -> Asked:
    return lambda client, headers: client.request(method, path, headers=headers, **given)


CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}
ABSENT: dict[tuple[str, str], Asked] = {
    # Her things by their names: 404, as for what does not exist.
    ("get", "/v1/files/{file_id}"): asks("GET", f"/v1/files/{FILE}"),
    ("get", "/v1/files/{file_id}/content"): asks("GET", f"/v1/files/{FILE}/content"),
    ("delete", "/v1/files/{file_id}"): asks("DELETE", f"/v1/files/{FILE}"),
    ("post", "/v1/fine_tuning/jobs"): asks(
        "POST", "/v1/fine_tuning/jobs", json={"model": "./base", "training_file": FILE}
    ),
    ("get", "/v1/fine_tuning/jobs/{job_id}"): asks("GET", f"/v1/fine_tuning/jobs/{JOB}"),
    ("get", "/v1/fine_tuning/jobs/{job_id}/events"): asks("GET", f"/v1/fine_tuning/jobs/{JOB}/events"),
    ("get", "/v1/fine_tuning/jobs/{job_id}/checkpoints"): asks(
        "GET", f"/v1/fine_tuning/jobs/{JOB}/checkpoints"
    ),
    ("post", "/v1/fine_tuning/jobs/{job_id}/cancel"): asks("POST", f"/v1/fine_tuning/jobs/{JOB}/cancel"),
    ("post", "/v1/fine_tuning/jobs/{job_id}/pause"): asks("POST", f"/v1/fine_tuning/jobs/{JOB}/pause"),
    ("post", "/v1/fine_tuning/jobs/{job_id}/resume"): asks("POST", f"/v1/fine_tuning/jobs/{JOB}/resume"),
    ("get", "/v1/models/{model}"): asks("GET", f"/v1/models/{MODEL}"),
    ("delete", "/v1/models/{model}"): asks("DELETE", f"/v1/models/{MODEL}"),
    ("get", "/v1/proofs/{model}"): asks("GET", f"/v1/proofs/{MODEL}"),
    ("post", "/v1/chat/completions"): asks("POST", "/v1/chat/completions", json=CHAT),
    ("post", "/v1/completions"): asks("POST", "/v1/completions", json={"model": MODEL, "prompt": "hello"}),
    ("get", "/generate"): asks("GET", "/generate", params={"prompt": "hello", "model": MODEL}),
    ("post", "/generate"): asks("POST", "/generate", json={"prompt": "hello", "model": MODEL}),
    ("post", "/chat"): asks("POST", "/chat", json={"prompt": "hello", "model": MODEL}),
    ("delete", "/v1/feedback/{feedback_id}"): asks("DELETE", f"/v1/feedback/{FEEDBACK}"),
}
LISTS: dict[tuple[str, str], Asked] = {
    # Lists: hers are not in his.
    ("get", "/v1/files"): asks("GET", "/v1/files"),
    ("get", "/v1/fine_tuning/jobs"): asks("GET", "/v1/fine_tuning/jobs"),
    ("get", "/v1/models"): asks("GET", "/v1/models"),
    ("get", "/v1/feedback"): asks("GET", "/v1/feedback"),
    ("get", "/v1/feedback/export"): asks("GET", "/v1/feedback/export"),
}
# They name nothing of another's: what is sent is the sender's own, or no names are shown.
NOTHING_OF_ANOTHER = {
    ("post", "/v1/files"),
    ("post", "/v1/feedback"),
    ("get", "/healthz"),
    ("get", "/metrics"),
}


@pytest.fixture
def two(api: TestClient) -> tuple[TestClient, dict[str, str], dict[str, str]]:
    """A studio in which alice has one of each; her headers and bob's."""
    studio = parts_of(api)
    store = studio.store
    scopes = ("inference", "files", "training")
    headers = [
        {"authorization": f"Bearer {add_key(store, name, scopes, Limits())}"} for name in ("alice", "bob")
    ]
    add_results(studio.project, store, name=FILE, owner="alice", filename="x.csv", text="hers\n")
    job = {"id": JOB, "owner": "alice", "created_at": now(), "state": "succeeded", "wish": "", "starts": 1}
    job |= {"model": "./base", "root": "./base", "extends": "small", "served": MODEL, "method": "supervised"}
    job |= {"hyperparameters": {"n_epochs": 1, "batch_size": 1, "learning_rate_multiplier": 1}}
    job |= {"training_file": FILE, "validation_file": None, "suffix": "hers", "seed": 1, "metadata": None}
    job |= {"stages": [], "started_at": now(), "finished_at": now(), "error": None, "result_files": []}
    store.put("jobs", job)
    feedback = {"id": FEEDBACK, "owner": "alice", "created_at": now(), "completion_id": None, "model": None}
    feedback |= {"messages": [{"role": "user", "content": "hers"}], "completion": "hers"}
    store.put("feedback", feedback | {"rating": "good", "better": None})
    return api, headers[0], headers[1]


def routes(client: TestClient) -> set[tuple[str, str]]:
    paths = client.app.openapi()["paths"]  # type: ignore[attr-defined]  # a FastAPI application
    return {(method, path) for path, methods in paths.items() for method in methods}


def test_every_route_is_tried(api: TestClient) -> None:
    known = ABSENT.keys() | LISTS.keys() | NOTHING_OF_ANOTHER
    assert routes(api) == known, "say above how another name is kept out of the new route"


def test_by_its_name_another_ones_thing_does_not_exist(
    two: tuple[TestClient, dict[str, str], dict[str, str]],
) -> None:
    client, alice, bob = two
    for route, ask in ABSENT.items():
        answer = ask(client, bob)
        assert answer.status_code == 404, (route, answer.text)
        assert answer.json()["error"]["type"] == "invalid_request_error"
    assert client.get(f"/v1/files/{FILE}/content", headers=alice).text == "hers\n", "it is still there"
    assert client.get(f"/v1/fine_tuning/jobs/{JOB}", headers=alice).json()["fine_tuned_model"] == MODEL
    assert client.get(f"/v1/models/{MODEL}", headers=alice).json()["owned_by"] == "alice"
    assert client.delete(f"/v1/feedback/{FEEDBACK}", headers=alice).json()["deleted"] is True


def test_no_list_has_another_ones_things(two: tuple[TestClient, dict[str, str], dict[str, str]]) -> None:
    client, alice, bob = two
    for route, ask in LISTS.items():
        assert "hers" in ask(client, alice).text or FILE in ask(client, alice).text, route
        answer = ask(client, bob)
        assert answer.status_code == 200, answer.text
        assert not any(mark in answer.text for mark in (FILE, JOB, MODEL, FEEDBACK, "hers")), (
            route,
            answer.text,
        )


def test_without_a_key_no_route_says_anything(two: tuple[TestClient, dict[str, str], dict[str, str]]) -> None:
    client, _, bob = two
    for route, ask in (ABSENT | LISTS).items():
        for headers in ({}, {"authorization": "Bearer ck-wrong"}, {"authorization": "Basic x"}):
            answer = ask(client, headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key"), route
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/metrics", headers=bob).status_code == 403
