"""Feedback: what is said of answers becomes rows that KTO and DPO train on."""
# Covers studio/routes/feedback.py

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

ASKED = [{"role": "user", "content": "你是谁"}]


def give(api: TestClient, **body: object) -> dict[str, object]:
    answer = api.post("/v1/feedback", json={"messages": ASKED, "completion": "我是谁？", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@pytest.mark.parametrize(("purpose", "rows"), [("kto", 4), ("dpo", 1)])
def test_it_can_be_uploaded_and_trained_on(api: TestClient, purpose: str, rows: int) -> None:
    give(api, rating="good")
    give(api, rating="bad")
    assert give(api, better="我是神奇海螺。")["rating"] == "bad"
    text = api.get("/v1/feedback/export", params={"purpose": purpose}).content
    sent = api.post("/v1/files", files={"file": ("rows.jsonl", text)}, data={"purpose": "fine-tune"}).json()
    assert sent["conch"]["rows"] == rows, sent
    body = {"model": "./base", "training_file": sent["id"], "method": {"type": purpose}}
    made = api.post("/v1/fine_tuning/jobs", json=body)
    assert made.status_code == 200, made.text
    assert made.json()["method"]["type"] == purpose


def test_it_is_listed_and_deleted(api: TestClient) -> None:
    first, second = give(api, rating="good"), give(api, rating="bad")
    listed = api.get("/v1/feedback").json()["data"]
    assert [one["id"] for one in listed] == [second["id"], first["id"]]
    assert listed[0].keys() >= {"created_at", "name", "messages", "completion"}
    api.delete(f"/v1/feedback/{first['id']}")
    assert [one["id"] for one in api.get("/v1/feedback").json()["data"]] == [second["id"]]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_required_parameter"),
        ({"rating": "good", "better": "x"}, "invalid_value"),
        ({"rating": "good"}, "missing_required_parameter"),
        (
            {"rating": "good", "messages": [{"role": "assistant", "content": "x"}], "completion": "x"},
            "invalid_value",
        ),
        ({"rating": "good", "completion_id": "chatcmpl-1"}, "completions_not_kept"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(
    api: TestClient, body: dict[str, object], code: str
) -> None:
    answer = api.post("/v1/feedback", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
